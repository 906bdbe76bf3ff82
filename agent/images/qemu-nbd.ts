import { spawn, type ChildProcess } from 'node:child_process';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Clock } from '../../src/common/clock.js';
import { isUmbraError, systemCode, UmbraError } from '../../src/common/errors.js';
import type { ImageFormat } from '../../src/protocol/api.js';
import { makeHeldDirectory } from '../../src/system/held-directory.js';
import { imageNode, type NodeFile } from './image-node.js';
import { ALLOCATION_CONTEXT, bitmapContext, DEPTH_CONTEXT } from './nbd/constants.js';
import { openNbd, type NbdClient } from './nbd/nbd-client.js';
import { QEMU_ENVIRONMENT, qemuError, qemuMissing } from './qemu-program.js';

export interface QemuNbdOptions {
  /** Absolute. */
  readonly path: string;
  readonly format: ImageFormat;
  /** The files to serve as one image, the top first and at `path`; what it names itself when absent. */
  readonly files?: readonly NodeFile[];
  readonly writable: boolean;
  /** Say also in which layer of its chain something lies. */
  readonly depth?: boolean;
  /** Export this dirty bitmap of the image, too. */
  readonly bitmap?: string;
  readonly clock: Clock;
}

/** A qemu-nbd that serves one image to this process alone. */
export interface QemuNbd {
  readonly client: NbdClient;
  /** Ends the program; resolves when it has given up the image. Idempotent. */
  close(): Promise<void>;
}

/** In large pieces each byte costs least, as long as the program keeps the memory for the next one. */
const PIECE_BYTES = 1024 * 1024;
/** So it does: what it takes from the kernel for each request takes six times as long as reading does (QEMU 7.2, GNU libc). */
const KEEPING_MEMORY = { MALLOC_MMAP_THRESHOLD_: '33554432', MALLOC_TRIM_THRESHOLD_: '134217728' };
const START_MS = 30_000;
const STOP_MS = 10_000;
const POLL_MS = 3;
const GRACE_MS = 500;
const MAX_STDERR = 16 * 1024;
/** The longest path of a Unix socket is 107 bytes. */
const MAX_DIRECTORY = 80;
/** Not as trackers call those in which QEMU of a machine listens: they outlive the agent. */
const DIRECTORY = 'umbra-image-';

/**
 * Serve an image with qemu-nbd and connect to it. The program ends when our connection does, however
 * this process dies, and the socket's name is gone as soon as we are connected. Call it from a thread
 * that lives on: the program dies with it.
 * @throws {UmbraError} PROGRAM_MISSING, IMAGE_IN_USE, IMAGE_FORMAT, IMAGE_FAILED
 */
export async function startQemuNbd(options: QemuNbdOptions): Promise<QemuNbd> {
  // For this user only, so that nobody else can connect; one that was left is of a process that was killed in the midst of this.
  const directory = await makeHeldDirectory(tmpdir().length <= MAX_DIRECTORY ? tmpdir() : '/tmp', DIRECTORY);
  try {
    const socketPath = join(directory.path, 'socket');
    const program = new Program(options, socketPath);
    try {
      const client = await connectTo(program, socketPath, options);
      return { client, close: () => stop(program, client) };
    } catch (error) {
      await program.kill();
      throw error;
    }
  } finally {
    await directory.remove();
  }
}

class Program {
  /** Resolves, never rejects, when the program is gone. */
  readonly gone: Promise<void>;
  readonly #child: ChildProcess;
  readonly #path: string;
  #stderr = '';
  #spawnError: Error | undefined;
  #isGone = false;

  constructor({ path, format, files, writable, depth = false, bitmap }: QemuNbdOptions, socketPath: string) {
    this.#path = path;
    const contexts = [...(depth ? ['--allocation-depth'] : []), ...(bitmap === undefined ? [] : ['-B', bitmap])];
    const access = [...(writable ? [] : ['--read-only']), ...contexts];
    const image = files === undefined ? ['-f', format, path] : [imageNode(files)];
    const nbd = ['qemu-nbd', ...access, '-x', '', '-k', socketPath, ...image];
    // Until we are connected only the parent's death signal would end it.
    this.#child = spawn('setpriv', ['--pdeathsig', 'KILL', ...nbd], {
      // QEMU looks for a data file with a relative name here.
      cwd: dirname(path),
      env: { ...QEMU_ENVIRONMENT, ...KEEPING_MEMORY },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      if (this.#stderr.length < MAX_STDERR) this.#stderr += text;
    });
    this.gone = new Promise((resolve) => {
      const end = (): void => {
        this.#isGone = true;
        resolve();
      };
      this.#child.on('close', end);
      this.#child.on('error', (error) => {
        this.#spawnError = error;
        end();
      });
    });
  }

  /** Why the program is gone; undefined while it runs. */
  failure(): UmbraError | undefined {
    if (!this.#isGone) return undefined;
    if (this.#spawnError) {
      const hint = 'Install it with "apt-get install util-linux".';
      return new UmbraError('PROGRAM_MISSING', 'setpriv cannot be run', { hint, cause: this.#spawnError });
    }
    // setpriv's own way to say that there is no such program.
    if (this.#child.exitCode === 127) return qemuMissing('qemu-nbd');
    return qemuError(this.#path, this.#stderr);
  }

  async kill(): Promise<void> {
    if (!this.#isGone) this.#child.kill('SIGKILL');
    await this.gone;
  }
}

/** qemu-nbd says nothing when it is ready; its socket answers. */
async function connectTo(
  program: Program,
  socketPath: string,
  { clock, depth = false, bitmap }: QemuNbdOptions,
): Promise<NbdClient> {
  const more = [...(depth ? [DEPTH_CONTEXT] : []), ...(bitmap === undefined ? [] : [bitmapContext(bitmap)])];
  const contexts = [ALLOCATION_CONTEXT, ...more];
  const deadline = clock.monotonic() + START_MS;
  for (;;) {
    const early = program.failure();
    if (early) throw early;
    try {
      return await openNbd({ socketPath, exportName: '', contexts, pieceBytes: PIECE_BYTES, clock });
    } catch (error) {
      const code = isUmbraError(error) ? systemCode(error.cause) : undefined;
      const isStarting = code === 'ENOENT' || code === 'ECONNREFUSED';
      if (!isStarting || clock.monotonic() > deadline) {
        // A program that broke off has a better reason than its connection.
        await Promise.race([setTimeout(GRACE_MS), program.gone]);
        throw program.failure() ?? error;
      }
    }
    await Promise.race([setTimeout(POLL_MS), program.gone]);
  }
}

async function stop(program: Program, client: NbdClient): Promise<void> {
  await client.close();
  // Without clients it ends by itself, after it has written what it holds back.
  const timer = new AbortController();
  const late = setTimeout(STOP_MS, 'late', { signal: timer.signal }).catch(() => 'aborted');
  const first = await Promise.race([program.gone, late]);
  timer.abort();
  if (first === 'late') await program.kill();
}
