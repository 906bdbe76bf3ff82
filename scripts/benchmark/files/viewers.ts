import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { BackupResult } from '../../../src/protocol/api.js';
import { BenchError } from '../bench-error.js';
import { Borg } from '../borg.js';
import { run } from '../process.js';
import { Restic } from '../restic.js';
import { isMounted, unmountAll, waitFor } from '../system.js';
import { CONTENT } from './content.js';
import { attachLoop, type FilesInput, type FilesystemName } from './images.js';
import type { StatRate } from './stat-rate.js';

/** A way to look at the files in an image (or, for restic and borg, at the same files). */
export interface Viewer {
  readonly name: string;
  readonly filesystem: FilesystemName;
  /** Once, before anything is measured: backups. */
  prepare(dir: string): Promise<void>;
  /**
   * Everything that a user waits for before the files are there, but for the first look at them; returns the
   * directory with the files.
   */
  mount(mountPoint: string): Promise<string>;
  /** Lists files of another image through the mount; only a viewer that stays mounted for years has seen others before. */
  lookElsewhere?(mountPoint: string): Promise<void>;
  /** The same, and reads two directories of them. */
  readElsewhere?(mountPoint: string): Promise<void>;
  /** The raw volume through the same mount, and where the large file lies in it; undefined where there is none. */
  rawVolume(mountPoint: string): string | undefined;
  /** Stats all files below a directory without a mount; only Umbra can. */
  statInProcess?(directory: string): Promise<StatRate>;
  unmount(mountPoint: string): Promise<void>;
  close(): Promise<void>;
}

const UMBRA = path.resolve(import.meta.dirname, '../../../bundle/umbra.js');
/** A program of its own: what is measured has seen no file before, and is not compiled yet. */
const STAT_RATE = path.resolve(import.meta.dirname, 'stat-rate.js');
const NOTHING = (): Promise<void> => Promise.resolve();
const NO_VOLUME = (): undefined => undefined;

/** Umbra: the mount of the store is there all the time; what a user waits for is the first look into a shadow copy. */
export function umbraViewer(input: FilesInput, filesystem: FilesystemName): Viewer {
  let env: Record<string, string> = {};
  let version = '';
  let otherVersion = '';
  const elsewhere = (mountPoint: string): string => path.join(mountPoint, 'other', otherVersion, 'files', 'vda');
  const umbra = async (...args: string[]): Promise<string> =>
    (await run(process.execPath, [UMBRA, ...args], { env })).stdout;
  return {
    name: 'umbra',
    filesystem,
    async prepare(dir) {
      env = { UMBRA_STORE: path.join(dir, 'store') };
      const backup = async (machine: string, image: string): Promise<string> =>
        (JSON.parse(await umbra('backup', machine, image, '--json')) as BackupResult).shadowCopy;
      version = await backup('vm', input.images[filesystem]);
      // One of another kind: neither its bytes nor the program that reads them are known then.
      otherVersion = await backup('other', input.images[filesystem === 'ext4' ? 'xfs' : 'ext4']);
      await umbra('stop');
    },
    async mount(mountPoint) {
      await umbra('mount', mountPoint, '--background');
      return path.join(mountPoint, 'vm', version, 'files', 'vda');
    },
    async lookElsewhere(mountPoint) {
      await run('ls', [elsewhere(mountPoint)]);
    },
    async readElsewhere(mountPoint) {
      const read = `tar -cf - ${CONTENT.small}/d0 ${CONTENT.small}/d1 | cat >/dev/null`;
      await run('bash', ['-o', 'pipefail', '-c', read], { cwd: elsewhere(mountPoint) });
    },
    rawVolume: (mountPoint) => path.join(mountPoint, 'vm', version, 'volumes', 'vda.raw'),
    async statInProcess(directory) {
      const { stdout } = await run(process.execPath, [STAT_RATE, input.images[filesystem], directory]);
      return JSON.parse(stdout) as StatRate;
    },
    async unmount(mountPoint) {
      await umbra('unmount', mountPoint);
      await umbra('stop');
    },
    async close() {
      if (env['UMBRA_STORE'] !== undefined && existsSync(env['UMBRA_STORE']))
        await umbra('stop').catch(() => undefined);
    },
  };
}

/** The kernel's own driver, read-only over a loop device: the fastest there is, for trusted images only. */
export function kernelViewer(input: FilesInput, filesystem: 'ext4' | 'xfs'): Viewer {
  const recovery = filesystem === 'xfs' ? 'norecovery' : 'noload';
  return {
    name: 'kernel',
    filesystem,
    prepare: NOTHING,
    async mount(mountPoint) {
      await run('mount', ['-o', `loop,ro,${recovery}`, input.images[filesystem], mountPoint]);
      return mountPoint;
    },
    rawVolume: NO_VOLUME,
    unmount: unmountAll,
    close: NOTHING,
  };
}

const PROGRAMS = {
  fuse2fs: (image: string, mountPoint: string) => ['fuse2fs', '-o', 'ro', image, mountPoint],
  'ntfs-3g': (image: string, mountPoint: string) => ['ntfs-3g', '-o', 'ro', image, mountPoint],
  'exfat-fuse': (image: string, mountPoint: string) => ['mount.exfat-fuse', '-o', 'ro', image, mountPoint],
  'grub-mount': (image: string, mountPoint: string) => ['grub-mount', image, mountPoint],
  guestmount: (image: string, mountPoint: string) => ['guestmount', '--ro', '-a', image, '-m', '/dev/sda', mountPoint],
} as const;

/** libguestfs' settings where there is no libvirt, and where there is no KVM. */
const GUESTFS = { LIBGUESTFS_BACKEND: 'direct' } as const;
const WITHOUT_KVM = { LIBGUESTFS_BACKEND_SETTINGS: 'force_tcg' } as const;

/** True if guestmount's machine boots as it comes. */
async function boots(image: string, mountPoint: string): Promise<boolean> {
  mkdirSync(mountPoint);
  try {
    await run('guestmount', PROGRAMS.guestmount(image, mountPoint).slice(1), { env: GUESTFS });
    await run('guestunmount', [mountPoint]);
    return true;
  } catch {
    return false;
  }
}

/** Another project's FUSE program on the image. */
export function programViewer(input: FilesInput, filesystem: FilesystemName, name: keyof typeof PROGRAMS): Viewer {
  let device: string | undefined;
  let env: Readonly<Record<string, string>> = GUESTFS;
  return {
    name,
    filesystem,
    async prepare(dir) {
      // KVM can be there and not work.
      if (name === 'guestmount' && !(await boots(input.images[filesystem], dir))) env = { ...GUESTFS, ...WITHOUT_KVM };
    },
    async mount(mountPoint) {
      // exfat-fuse wants a device.
      if (name === 'exfat-fuse') device ??= await attachLoop(input.images[filesystem]);
      await startProgram(name, PROGRAMS[name](device ?? input.images[filesystem], mountPoint), mountPoint, env);
      return mountPoint;
    },
    rawVolume: NO_VOLUME,
    unmount: unmountAll,
    async close() {
      if (device !== undefined) await run('losetup', ['--detach', device]);
    },
  };
}

/** Starts a program that may stay in the foreground, and waits for its mount. */
async function startProgram(
  name: string,
  [program = '', ...args]: readonly string[],
  mountPoint: string,
  env: Readonly<Record<string, string>>,
): Promise<void> {
  const errors = `${mountPoint}.err`;
  const descriptor = openSync(errors, 'w');
  const child = spawn(program, args, {
    stdio: ['ignore', 'ignore', descriptor],
    env: { ...process.env, ...env },
  });
  closeSync(descriptor);
  let failed: string | undefined;
  child.once('error', (error) => (failed = error.message));
  child.once('exit', (code) => {
    if (code !== 0) failed = `code ${code}: ${readFileSync(errors, 'utf8').trim().slice(-300)}`;
  });
  await waitFor(name, () => failed !== undefined || isMounted(mountPoint), 120);
  if (failed !== undefined) throw new BenchError(`${name} could not be started: ${failed}`);
}

/** A backup of the files themselves, mounted: what users of file backups have. */
export function backupViewer(input: FilesInput, name: 'restic' | 'borg', signal: AbortSignal): Viewer {
  let contender: Restic | Borg | undefined;
  let version: Awaited<ReturnType<Borg['backup']>>['version'] | undefined;
  return {
    name,
    filesystem: 'ext4',
    async prepare(dir) {
      contender = name === 'restic' ? new Restic(dir, signal) : new Borg(dir, signal);
      await contender.init();
      ({ version } = await contender.backup('vm', input.content));
    },
    async mount(mountPoint) {
      if (contender === undefined || version === undefined) throw new BenchError(`${name} was not prepared`);
      return await contender.mount(version, mountPoint);
    },
    rawVolume: NO_VOLUME,
    async unmount(mountPoint) {
      await contender?.unmount(mountPoint);
    },
    async close() {
      await contender?.close();
    },
  };
}
