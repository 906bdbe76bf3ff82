import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../src/common/clock.js';
import type { Environment } from '../../src/cli/environment.js';
import { runCli } from '../../src/cli/run.js';
import { CapturedOutput } from './captured-output.js';
import { fakeParts } from './fake-parts.js';

const FAKE_SERVER = fileURLToPath(new URL('fake-server.js', import.meta.url));
const FILTER = fileURLToPath(new URL('../../agent/filter/main.js', import.meta.url));
/** The program of {@link spawnUmbra}. */
export const FAKE_UMBRA = fileURLToPath(new URL('fake-umbra.js', import.meta.url));

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Run a command line in this process; servers it starts are processes of their own, over the fake engine. */
export async function runUmbra(
  commandLine: readonly string[],
  store?: string,
  overrides: Partial<Environment> = {},
): Promise<Outcome> {
  const output = new CapturedOutput();
  const code = await runCli(commandLine, {
    variables: { UMBRA_IDLE_SECONDS: '1', ...(store === undefined ? {} : { UMBRA_STORE: store }) },
    directory: '/',
    home: '/nowhere',
    isRoot: false,
    ...output.streams,
    readInput: () => Promise.resolve(''),
    clock: systemClock,
    interrupted: new AbortController().signal,
    serverProgram: FAKE_SERVER,
    umbraProgram: FAKE_UMBRA,
    filterProgram: FILTER,
    serverParts: () => Promise.resolve(fakeParts),
    ...overrides,
  });
  const { stdout, stderr } = output;
  return { code, stdout, stderr };
}

/** A running `umbra` process over the fake engine. */
export interface UmbraProcess {
  readonly kill: (signal: NodeJS.Signals) => void;
  readonly closeStdout: () => void;
  /** Resolves when standard output or error has this text. */
  readonly says: (text: string) => Promise<void>;
  readonly done: Promise<Outcome>;
}

/** On a busy machine a test may come late: its server must not have gone idle by then. */
const LONG_SECONDS = 600;

/** Start the `umbra` program over the fake engine as a process; stop its server at the end. */
export function spawnUmbra(
  commandLine: readonly string[],
  store: string,
  { idleSeconds = LONG_SECONDS }: { readonly idleSeconds?: number } = {},
): UmbraProcess {
  const child = spawn(process.execPath, [FAKE_UMBRA, ...commandLine], {
    env: { ...process.env, UMBRA_STORE: store, UMBRA_IDLE_SECONDS: String(idleSeconds) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const done = once(child, 'close').then(([code, signal]: unknown[]) => ({
    code: typeof code === 'number' ? code : -1,
    stdout,
    stderr: stderr + (typeof signal === 'string' ? signal : ''),
  }));
  const heard = (text: string): boolean => (stdout + stderr).includes(text);
  return {
    kill: (signal) => child.kill(signal),
    closeStdout: () => child.stdout.destroy(),
    says: async (text) => {
      while (!heard(text)) {
        if (child.exitCode !== null) throw new Error(`ended without saying ${text}: ${stdout}${stderr}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
    done,
  };
}
