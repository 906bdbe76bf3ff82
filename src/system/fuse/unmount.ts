import { execFile } from 'node:child_process';
import { messageOf, systemCode, UmbraError } from '../../common/errors.js';

/** How a program ended, when it could be started. */
interface Outcome {
  readonly ok: boolean;
  readonly stderr: string;
}

export interface UnmountOptions {
  /** Take the mount out of the directory tree at once; programs that have files open keep them. */
  readonly lazy: boolean;
}

/** The server of another store, when it starts, looks into every mount for an instant; who stays longer than this uses it. */
const BUSY_TRIES = 4;
const BUSY_STEP_MS = 100;

/**
 * Unmounts a FUSE mount, live or dead, by `fusermount`, which may do so for an ordinary user. No shell sees the path.
 * @throws {UmbraError} MOUNT_FAILED, PROGRAM_MISSING
 */
export async function unmountPath(mountPoint: string, { lazy }: UnmountOptions): Promise<void> {
  const command = [lazy ? '-uz' : '-u', '--', mountPoint];
  let { ok, stderr } = await run('fusermount', command);
  for (let tries = 1; tries < BUSY_TRIES && !ok && stderr.includes('busy'); tries++) {
    await new Promise((resolve) => setTimeout(resolve, BUSY_STEP_MS));
    ({ ok, stderr } = await run('fusermount', command));
  }
  if (ok) return;
  if (stderr.includes('busy')) {
    throw new UmbraError('MOUNT_FAILED', `${mountPoint} is in use`, {
      hint: `End the programs that have files open or work in it ("fuser -vm ${mountPoint}" names them) and try again.`,
    });
  }
  throw new UmbraError('MOUNT_FAILED', `cannot unmount ${mountPoint}: ${stderr.trim()}`);
}

/** @throws {UmbraError} PROGRAM_MISSING */
export async function requireFusermount(): Promise<void> {
  await run('fusermount', ['-V']);
}

/** How long a mount may take to answer before it is taken for alive but slow. */
const PROBE_MS = 3000;

/**
 * True if the server of the FUSE mount at `mountPoint` is gone. Asked by another process, since one that waits for a
 * mount it serves itself, or for a server that hangs, can't be interrupted. Asked by statfs, which the kernel never
 * answers from its cache.
 */
export async function isDeadMount(mountPoint: string): Promise<boolean> {
  const slow = new Promise<Outcome>((resolve) => {
    setTimeout(resolve, PROBE_MS, { ok: true, stderr: '' }).unref();
  });
  const { stderr } = await Promise.race([run('stat', ['-f', '--', mountPoint]), slow]);
  return stderr.includes('Transport endpoint is not connected');
}

function run(program: string, args: readonly string[]): Promise<Outcome> {
  const env = { ...process.env, LC_ALL: 'C' };
  return new Promise((resolve, reject) => {
    execFile(program, args, { env }, (error, _stdout, stderr) => {
      if (error !== null && systemCode(error) === 'ENOENT') reject(missing(program, error));
      else resolve({ ok: error === null, stderr: stderr === '' && error !== null ? messageOf(error) : stderr });
    });
  });
}

function missing(program: string, cause: unknown): UmbraError {
  return new UmbraError('PROGRAM_MISSING', `the program "${program}" is not installed`, {
    hint: program === 'fusermount' ? 'Install FUSE: apt-get install fuse' : `Install ${program}.`,
    cause,
  });
}
