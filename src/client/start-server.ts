import { spawn, type ChildProcess } from 'node:child_process';
import { UmbraError } from '../common/errors.js';
import type { KeySource } from '../keys/key-source.js';
import type { Secret } from '../keys/secret.js';
import { toWireSecret } from '../keys/wire-secret.js';
import type { StartLine } from '../protocol/wire.js';
import { fromWireError, isWireError } from '../protocol/wire-error.js';
import { lines } from '../transport/lines.js';

/** How a store is made by the server that is started; see the server's `CreateStoreOptions`. */
export interface CreateStore {
  readonly mode: 'may' | 'must';
  readonly codec?: 'zstd' | 'lz4';
  readonly level?: number;
  readonly seed?: string;
  readonly format?: '1' | '2';
  /** Encrypt it; with what the secret is. */
  readonly cipher?: 'aes-256-gcm' | 'chacha20-poly1305';
}

export interface StartServerOptions {
  /** Absolute path of the store's directory. */
  readonly store: string;
  /** The JavaScript program of the server. */
  readonly program: string;
  readonly idleExitMs: number;
  readonly create?: CreateStore;
  /** What opens the store. It goes through a pipe: everybody sees the arguments of a process. */
  readonly secret?: Secret | undefined;
  /** Where the server finds the key if it needs one and is given none. */
  readonly keySource?: KeySource | undefined;
}

/**
 * New objects get at most so many MiB, twice, in each thread of the server; V8's own limit is 16. What lives a little
 * longer than that (units of caches, decoded chunks) is found to be garbage the sooner: a walk of 300,000 files took
 * 224 MB of memory instead of 270, and a backup 225 instead of 240, with no more CPU time.
 */
const YOUNG_GENERATION_MIB = 2;

/** What ends a process by its own doing, as LevelDB does over some damage. */
const CRASHES: ReadonlySet<string | null> = new Set(['SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGILL', 'SIGSEGV', 'SIGTRAP']);

/** So much of what a server that dies says is kept. */
const MAX_COMPLAINT = 4000;

/** How a server ended before it answered. */
interface Death {
  readonly signal: NodeJS.Signals | null;
  readonly complaint: string;
}

/**
 * Start a server in the background, in a session of its own. One that crashes is started once more, unless it was to make the store: it looks at
 * the store before LevelDB reads it (src/store/opening-mark.ts), and can say what is damaged.
 * @throws {UmbraError} why it could not start: STORE_NOT_FOUND, STORE_IN_USE when another was
 *   faster, and all the others; SERVER_UNREACHABLE when it died without a reason
 */
export async function startServer(options: StartServerOptions): Promise<void> {
  let death = await startOnce(options);
  // One that was to make the store may have made it.
  if (CRASHES.has(death?.signal ?? null) && options.create?.mode !== 'must') death = await startOnce(options);
  if (death !== undefined)
    throw new UmbraError('SERVER_UNREACHABLE', `the server ended before it answered: ${death.complaint}`);
}

/** @returns how it ended, when it died without a reason */
async function startOnce({ program, secret, keySource, ...options }: StartServerOptions): Promise<Death | undefined> {
  const flags = [`--max-semi-space-size=${YOUNG_GENERATION_MIB}`];
  const argument = JSON.stringify({ ...options, ...(secret === undefined ? {} : { hasSecret: true }) });
  const child = spawn(process.execPath, [...flags, program, argument], {
    env: environmentOf(keySource),
    cwd: '/',
    detached: true,
    stdio: [secret === undefined ? 'ignore' : 'pipe', 'ignore', 'pipe', 'pipe'],
  });
  // One that ends before it has read it says why by itself.
  child.stdin?.on('error', () => undefined);
  if (secret !== undefined) child.stdin?.end(JSON.stringify(toWireSecret(secret)));
  try {
    const death = collect(child);
    const line = await firstLine(child);
    if (line === undefined) return await death;
    if ('error' in line) throw fromWireError(line.error);
    return undefined;
  } finally {
    // Nothing of the child may keep this process alive.
    child.unref();
    for (const stream of child.stdio) stream?.destroy();
  }
}

/** Where it finds the key is in its environment: it stands in another directory than the command, so paths are absolute. */
function environmentOf(source: KeySource | undefined): NodeJS.ProcessEnv {
  const { UMBRA_KEY_FILE: _file, UMBRA_PASSPHRASE_FILE: _phrase, UMBRA_KEY_COMMAND: _command, ...rest } = process.env;
  if (source === undefined) return rest;
  if ('keyFile' in source) return { ...rest, UMBRA_KEY_FILE: source.keyFile };
  if ('passphraseFile' in source) return { ...rest, UMBRA_PASSPHRASE_FILE: source.passphraseFile };
  return { ...rest, UMBRA_KEY_COMMAND: source.keyCommand };
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
function collect(child: ChildProcess): Promise<Death> {
  let text = '';
  child.stderr?.setEncoding('utf8');
  child.stderr?.on('data', (more: string) => {
    text = (text + more).slice(0, MAX_COMPLAINT);
  });
  return new Promise((resolve) => {
    child.once('close', (code, signal) => {
      const ending = signal ?? `exit code ${code ?? 0}`;
      resolve({ signal, complaint: text === '' ? ending : `${ending}\n${text.trimEnd()}` });
    });
  });
}
