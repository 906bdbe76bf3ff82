import { execFile, type ExecFileException } from 'node:child_process';
import { constants } from 'node:os';
import { dirname } from 'node:path';
import { UmbraError } from '../../src/common/errors.js';
import { SystemCallError } from '../../src/system/system-call-error.js';

/** What programs of QEMU get of our environment: messages in English, so that they can be understood. */
export const QEMU_ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin',
  LC_ALL: 'C',
};

// A hostile image must neither stall its reader nor fill its memory.
const TIMEOUT_MS = 30_000;
const MAX_OUTPUT_BYTES = 4 * 1024 * 1024;
/** How QEMU says ENOSPC, in a job's error too. */
const NO_ROOM = 'No space left on device';

/**
 * Run qemu-img on the image at `path` and return what it printed.
 * @throws {UmbraError} PROGRAM_MISSING, IMAGE_IN_USE, IMAGE_FORMAT; IMAGE_FAILED when there is no room for what it writes
 */
export async function runQemuImg(path: string, args: readonly string[], timeoutMs = TIMEOUT_MS): Promise<string> {
  const { stdout, failed } = await tryQemuImg(path, args, timeoutMs);
  if (failed !== undefined) throw failed;
  return stdout;
}

/** How qemu-img ended. */
export interface QemuImgEnd {
  /** Undefined if it did not end by itself. */
  readonly code: number | undefined;
  readonly stdout: string;
  /** Unless the exit code is 0. */
  readonly failed: UmbraError | undefined;
}

/**
 * As {@link runQemuImg}, where exit codes other than 0 mean something too.
 * @throws {UmbraError} PROGRAM_MISSING
 */
export async function tryQemuImg(path: string, args: readonly string[], timeoutMs: number): Promise<QemuImgEnd> {
  const options = {
    env: QEMU_ENVIRONMENT,
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
    maxBuffer: MAX_OUTPUT_BYTES,
    // QEMU looks there for the data file of a qcow2.
    cwd: dirname(path),
  } as const;
  return await new Promise((resolve, reject) => {
    execFile('qemu-img', args, options, (error, stdout, stderr) => {
      if (error === null) {
        resolve({ code: 0, stdout, failed: undefined });
        return;
      }
      const failed = programFailed(path, error, stderr, timeoutMs);
      if (failed.code === 'PROGRAM_MISSING') reject(failed);
      else resolve({ code: typeof error.code === 'number' ? error.code : undefined, stdout, failed });
    });
  });
}

/** What a failed program of QEMU wanted to say about an image. */
export function qemuError(path: string, stderr: string): UmbraError {
  const message = stderr
    .trim()
    .replaceAll(/^qemu-(img|nbd): /gm, '')
    .replaceAll(/[^\x20-\x7e]+/g, ' ')
    .slice(0, 500);
  if (/Failed to get .* lock|Is another process using the image/.test(message)) {
    return new UmbraError('IMAGE_IN_USE', `${path} is in use by another program: ${message}`, {
      hint: 'Shut the machine down, or back up a snapshot of the image.',
    });
  }
  if (message.includes(NO_ROOM)) {
    return new UmbraError('IMAGE_FAILED', `the disk of ${path} is full: ${message}`, {
      hint: 'Make room there and try again.',
      cause: new SystemCallError('write', constants.errno.ENOSPC),
    });
  }
  return new UmbraError('IMAGE_FORMAT', `QEMU cannot read ${path}: ${message || 'no reason given'}`);
}

/** @param program - what is not installed */
export function qemuMissing(program: string, cause?: unknown): UmbraError {
  return new UmbraError('PROGRAM_MISSING', `${program} is not installed`, {
    hint: 'Install it with "apt-get install qemu-utils".',
    cause,
  });
}

function programFailed(path: string, error: ExecFileException, stderr: string, timeoutMs: number): UmbraError {
  if (error.code === 'ENOENT') return qemuMissing('qemu-img', error);
  if (error.code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') return qemuError(path, 'what is said of it has no end');
  if (error.killed === true) return qemuError(path, `no answer within ${timeoutMs / 1000} s`);
  return qemuError(path, stderr);
}
