import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Test } from 'tap';
import { openNbd } from '../../agent/images/nbd/nbd-client.js';
import { socketAnswers } from './socket-answers.js';

const run = promisify(execFile);

/** Run qemu-img; what it prints. */
export function qemuImg(...args: string[]): string {
  return execFileSync('qemu-img', args, { encoding: 'utf8' });
}

/** Run commands of qemu-io on an image; what it prints, complaints too. */
export async function qemuIo(file: string, format: string, ...commands: string[]): Promise<string> {
  const args = ['-f', format, ...commands.flatMap((command) => ['-c', command]), file];
  return await run('qemu-io', args).then(
    ({ stdout, stderr }) => stdout + stderr,
    (error: unknown) => String(error instanceof Error && 'stderr' in error ? error.stderr : error),
  );
}

/** A qemu-nbd that has `file` open for writing until the returned function is called, or the test ends. */
export async function holdForWriting(t: Test, file: string, format: string): Promise<() => Promise<void>> {
  const socketPath = `${file}.socket`;
  const stop = await startUntilSocket(t, 'qemu-nbd', ['-t', '-f', format, '-k', socketPath, file], socketPath);
  // It listens before it opens the image, but greets only then.
  await (await openNbd({ socketPath, exportName: '' })).close();
  return stop;
}

/** Start a program and wait until somebody listens on its socket. The returned function ends it, and so does the test's end. */
export async function startUntilSocket(
  t: Test,
  program: string,
  args: readonly string[],
  socketPath: string,
): Promise<() => Promise<void>> {
  const child = spawn(program, args, { stdio: 'ignore' });
  const gone = once(child, 'exit');
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await gone;
  };
  t.teardown(stop);
  for (let waitedMs = 0; !(await socketAnswers(socketPath)); waitedMs += 10) {
    if (waitedMs > 20_000 || child.exitCode !== null) throw new Error(`${program} did not start`);
    await setTimeout(10);
  }
  return stop;
}
