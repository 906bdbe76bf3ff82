/** A program: runs command lines of `umbra` one beside the other in one process, as hosted-umbra.ts asks it to. */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { runCli } from '../../src/cli/run.js';
import { systemClock } from '../../src/common/clock.js';
import { messageOf } from '../../src/common/errors.js';
import { loadLocalParts } from '../../src/server/serve.js';
import { CapturedOutput } from './captured-output.js';
import type { HostAnswer, HostCall } from './hosted-umbra.js';
import { UMBRA_PROGRAM } from './umbra-program.js';

/** What commands start is the bundle, as where users run them. */
const bundle = bundleOf(UMBRA_PROGRAM);

function bundleOf(program: string): URL {
  const name = /^await import\('\.\/([^/]+)\//m.exec(readFileSync(program, 'utf8'))?.[1];
  if (name === undefined) throw new Error(`${program} does not name the bundle that it runs`);
  return new URL(`../../bundle/${name}/`, import.meta.url);
}

process.on('message', (call: HostCall) => {
  void run(call).then((answer) => process.send?.(answer));
});
process.on('disconnect', () => {
  process.exit();
});

async function run({ id, commandLine }: HostCall): Promise<HostAnswer> {
  const output = new CapturedOutput();
  try {
    const code = await runCli(commandLine, {
      variables: process.env,
      directory: process.cwd(),
      home: homedir(),
      isRoot: process.geteuid?.() === 0,
      ...output.streams,
      readInput: () => Promise.resolve(''),
      clock: systemClock,
      interrupted: new AbortController().signal,
      serverProgram: fileURLToPath(new URL('src/server/main.js', bundle)),
      umbraProgram: fileURLToPath(new URL('src/cli/main.js', bundle)),
      filterProgram: fileURLToPath(new URL('agent/filter/main.js', bundle)),
      serverParts: loadLocalParts,
    });
    const { stdout, stderr } = output;
    return { id, code, stdout, stderr };
  } catch (error) {
    return { id, stdout: output.stdout, stderr: `${output.stderr}${messageOf(error)}` };
  }
}
