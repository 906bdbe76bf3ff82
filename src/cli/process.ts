import { once } from 'node:events';
import { homedir } from 'node:os';
import { systemClock } from '../common/clock.js';
import { messageOf, systemCode, UmbraError } from '../common/errors.js';
import { EXIT_CODES } from '../common/exit-codes.js';
import { askHidden } from './ask-hidden.js';
import type { ByteOutput, Environment } from './environment.js';
import { runCli } from './run.js';

const STDOUT = 1;
const MAX_INPUT_CHARACTERS = 64 * 1024;

/** Be the `umbra` program: run the command line of this process and end with its exit code. */
export async function runProcess(
  parts: Pick<Environment, 'serverProgram' | 'umbraProgram' | 'filterProgram' | 'serverParts'>,
): Promise<void> {
  const commandLine = process.argv.slice(2);
  const code = await runCli(commandLine, {
    ...parts,
    variables: process.env,
    get directory() {
      return workingDirectory();
    },
    home: homedir(),
    isRoot: process.geteuid?.() === 0,
    stdout: output(process.stdout),
    stderr: output(process.stderr),
    readInput,
    askHidden: process.stdin.isTTY ? (question) => askHidden(process.stdin, writeToTerminal, question) : undefined,
    clock: systemClock,
    interrupted: interruption(),
  });
  process.exitCode = code;
  // A pipe is written in the background: what is left of the output must go out before the process ends.
  process.stdout.write('', (error) => {
    // What could not be written comes as an event, too, and that ends the process.
    if (error === undefined || error === null) process.exit(code);
  });
}

/** @throws {UmbraError} BAD_ARGUMENT if it was deleted */
function workingDirectory(): string {
  try {
    return process.cwd();
  } catch (cause) {
    throw new UmbraError('BAD_ARGUMENT', 'the current directory does not exist any more', {
      hint: 'Go to another one with "cd".',
      cause,
    });
  }
}

/** What reads our output may have had enough of it (`umbra list | head -1`): no reason to complain. */
function output(stream: NodeJS.WriteStream & { readonly fd: number }): ByteOutput {
  stream.on('error', (error) => {
    const code = systemCode(error);
    if (code === 'EPIPE') process.exit(EXIT_CODES.OK.code);
    if (stream.fd === STDOUT) process.stderr.write(`umbra: the output cannot be written: ${messageOf(error)}\n`);
    process.exit(code === 'ENOSPC' ? EXIT_CODES.FULL.code : EXIT_CODES.INTERNAL.code);
  });
  return {
    write: (text) => {
      stream.write(text);
    },
    writeBytes: async (bytes) => {
      if (!stream.write(bytes)) await once(stream, 'drain');
    },
    terminalColumns: () => (stream.isTTY ? stream.columns : undefined),
    terminalRows: () => (stream.isTTY ? stream.rows : undefined),
  };
}

function writeToTerminal(text: string): void {
  process.stderr.write(text);
}

async function readInput(): Promise<string> {
  let text = '';
  for await (const part of process.stdin.setEncoding('utf8')) {
    text += String(part);
    // On a terminal a line is enough.
    if (process.stdin.isTTY || text.length > MAX_INPUT_CHARACTERS) break;
  }
  return text;
}

/** The first SIGINT or SIGTERM asks the command to end, the second one ends it. */
function interruption(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (controller.signal.aborted) endNow();
      controller.abort();
    });
  }
  return controller.signal;
}

/** By SIGINT, for which shells say 130: `process.exit` stops worker threads, and one that loads a native module just then aborts the process. */
function endNow(): void {
  if (process.stdin.isTTY) process.stdin.setRawMode(false);
  process.removeAllListeners('SIGINT');
  process.kill(process.pid, 'SIGINT');
  // The first process of a container does not end by a signal.
  process.exit(EXIT_CODES.CANCELLED.code);
}
