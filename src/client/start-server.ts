import { spawn, type ChildProcess } from 'node:child_process';
import { UmbraError } from '../common/errors.js';
import type { StartLine } from '../protocol/wire.js';
import { fromWireError, isWireError } from '../protocol/wire-error.js';
import { lines } from '../transport/lines.js';

/** How a store is made by the server that is started; see the server's `CreateStoreOptions`. */
export interface CreateStore {
  readonly mode: 'may' | 'must';
  readonly codec?: 'zstd' | 'lz4';
  readonly level?: number;
  readonly seed?: string;
}

export interface StartServerOptions {
  /** Absolute path of the store's directory. */
  readonly store: string;
  /** The JavaScript program of the server. */
  readonly program: string;
  readonly idleExitMs: number;
  readonly create?: CreateStore;
}

/**
 * New objects get at most so many MiB, twice, in each thread of the server; V8's own limit is 16. What lives a little
 * longer than that (units of caches, decoded chunks) is found to be garbage the sooner: a walk of 300,000 files took
 * 224 MB of memory instead of 270, and a backup 225 instead of 240, with no more CPU time.
 */
const YOUNG_GENERATION_MIB = 2;

/** So much of what a server that dies says is kept. */
const MAX_COMPLAINT = 4000;

/**
 * Start a server in the background, in a session of its own.
 * @throws {UmbraError} why it could not start: STORE_NOT_FOUND, STORE_IN_USE when another was
 *   faster, and all the others; SERVER_UNREACHABLE when it died without a reason
 */
export async function startServer({ program, ...options }: StartServerOptions): Promise<void> {
  const flags = [`--max-semi-space-size=${YOUNG_GENERATION_MIB}`];
  const child = spawn(process.execPath, [...flags, program, JSON.stringify(options)], {
    cwd: '/',
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  });
  try {
    const complaint = collect(child);
    const line = await firstLine(child);
    if (line === undefined) throw died(await complaint);
    if ('error' in line) throw fromWireError(line.error);
  } finally {
    // Nothing of the child may keep this process alive.
    child.unref();
    for (const stream of child.stdio) stream?.destroy();
  }
}

async function firstLine(child: ChildProcess): Promise<StartLine | undefined> {
  const failed = new Promise<never>((_resolve, reject) => {
    child.once('error', (cause) => {
      reject(new UmbraError('SERVER_UNREACHABLE', `the server cannot be started: ${cause.message}`, { cause }));
    });
  });
  return await Promise.race([failed, readStartLine(child)]);
}

async function readStartLine(child: ChildProcess): Promise<StartLine | undefined> {
  const pipe = child.stdio[3];
  if (!pipe || !('read' in pipe)) return undefined;
  for await (const line of lines(pipe)) {
    const value: unknown = JSON.parse(line);
    if (typeof value !== 'object' || value === null) return undefined;
    if ('ready' in value) return { ready: true };
    if ('error' in value && isWireError(value.error)) return { error: value.error };
  }
  return undefined;
}

/** What the child says on standard error, and how it ended. */
function collect(child: ChildProcess): Promise<string> {
  let text = '';
  child.stderr?.setEncoding('utf8');
  child.stderr?.on('data', (more: string) => {
    text = (text + more).slice(0, MAX_COMPLAINT);
  });
  return new Promise((resolve) => {
    child.once('close', (code, signal) => {
      resolve(`${signal ?? `exit code ${code ?? 0}`}${text === '' ? '' : `\n${text.trimEnd()}`}`);
    });
  });
}

function died(complaint: string): UmbraError {
  return new UmbraError('SERVER_UNREACHABLE', `the server ended before it answered: ${complaint}`);
}
