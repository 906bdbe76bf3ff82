import { execFile, execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { CpioArchive } from './cpio.js';

/** A kernel and an initial file system for it, to be booted with {@link bootGuest}. */
export interface Guest {
  readonly kernel: string;
  readonly initrd: string;
}

export interface GuestWish {
  /** Absolute; the initial file system is written there. */
  readonly initrd: string;
  /** The guest's own programs and scripts by name, `init` among them. */
  readonly files: Readonly<Record<string, Buffer>>;
  /** Programs of busybox, besides those that every guest has. */
  readonly programs: readonly string[];
}

/** In this order: each needs those before it. Newer kernels of Debian have most of them built in. */
const MODULES = [
  'drivers/virtio/virtio_ring.ko',
  'drivers/virtio/virtio.ko',
  'drivers/virtio/virtio_pci_modern_dev.ko',
  'drivers/virtio/virtio_pci_legacy_dev.ko',
  'drivers/virtio/virtio_pci.ko',
  'drivers/block/virtio_blk.ko',
  'drivers/char/virtio_console.ko',
];

const PROGRAMS = [
  'sh',
  'mount',
  'umount',
  'insmod',
  'cat',
  'echo',
  'sha256sum',
  'sync',
  'sleep',
  'poweroff',
  'mkdir',
  'mv',
];

/** It says what is in the file `data` of its disk, leaves a file there, copies the data to its second disk, and ends. */
const INIT = `#!/bin/sh
mount -t proc proc /proc
mount -t devtmpfs dev /dev
for module in $(cat /modules/order); do insmod "/modules/$module"; done
for try in 1 2 3 4 5 6 7 8 9 10; do [ -b /dev/vda ] || sleep 0.2; done
mount -t ext4 /dev/vda /mnt && echo "guest: data $(sha256sum < /mnt/data)"
echo 'written by the guest' > /mnt/from-guest && echo 'guest: wrote'
[ -b /dev/vdb ] && cat /mnt/data > /dev/vdb && echo 'guest: copied'
sync
umount /mnt
poweroff -f
`;

/** It counts in the file `count` of its disk, each number synced, says each, and runs QEMU's guest agent. */
const COUNTING_INIT = `#!/bin/sh
mkdir -p /sys /run /var/run
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in $(cat /modules/order); do insmod "/modules/$module"; done
for try in 1 2 3 4 5 6 7 8 9 10; do [ -b /dev/vda ] && [ -e /dev/vport*p1 ] && break; sleep 0.2; done
mount -t ext4 /dev/vda /mnt || echo 'guest: no disk'
/sbin/qemu-ga -m virtio-serial -p /dev/vport*p1 -t /run -f /run/qga.pid &
number=0
while :; do
  number=$((number + 1))
  # A file that is written anew is empty for a moment.
  echo $number > /mnt/count.new
  mv /mnt/count.new /mnt/count
  sync
  echo "guest: count $number"
done
`;

/** The kernel's command line. */
export const KERNEL_ARGUMENTS =
  'console=ttyS0 quiet panic=-1 mitigations=off no_timer_check tsc=reliable cryptomgr.notests';
const BOOT_LIMIT_MS = 120_000;

/** Debian's kernel for virtual machines with busybox, fetched by apt-get once and kept in the user's cache. */
export async function getGuest(): Promise<Guest> {
  const ready = await kept(newestKernelPackage(), ['busybox-static']);
  const initrd = join(ready, `initrd-${process.pid}`);
  writeFileSync(initrd, guestFiles(ready, Buffer.from(INIT)).finish());
  return { kernel: join(ready, 'vmlinuz'), initrd };
}

/** The same with QEMU's guest agent on its first virtio-serial port; it never ends. */
export async function getCountingGuest(): Promise<Guest> {
  const ready = await kept(newestKernelPackage(), ['busybox-static']);
  const initrd = join(ready, `initrd-agent-${process.pid}`);
  return await makeGuest({ initrd, files: { init: Buffer.from(COUNTING_INIT) }, programs: [] });
}

/** A guest as somebody wants it, with QEMU's guest agent as `/sbin/qemu-ga`. */
export async function makeGuest({ initrd, files, programs }: GuestWish): Promise<Guest> {
  const ready = await kept(newestKernelPackage(), ['busybox-static']);
  const agent = await kept('qemu-guest-agent', []);
  const { init = Buffer.alloc(0), ...others } = files;
  const archive = guestFiles(ready, init, programs);
  for (const [name, data] of Object.entries(others)) archive.file(name, data);
  addProgram(archive, 'sbin/qemu-ga', join(agent, 'usr/sbin/qemu-ga'));
  writeFileSync(initrd, archive.finish());
  return { kernel: join(ready, 'vmlinuz'), initrd };
}

/** What QEMU needs to boot it, but for its devices. */
export function guestArguments({ kernel, initrd }: Guest): string[] {
  const machine = ['-nodefaults', '-no-user-config', '-M', 'pc', '-accel', 'tcg', '-cpu', 'qemu64', '-m', '256'];
  return [
    ...machine,
    '-display',
    'none',
    '-no-reboot',
    '-kernel',
    kernel,
    '-initrd',
    initrd,
    '-append',
    KERNEL_ARGUMENTS,
  ];
}

/** Boot it with a qcow2 image as its disk, and a raw one as a second; what it said until it powered itself off. */
export async function bootGuest(guest: Guest, disk: string, rawDisk?: string): Promise<string> {
  const second = rawDisk === undefined ? [] : ['-drive', `file=${rawDisk},format=raw,if=virtio`];
  const devices = ['-serial', 'stdio', '-drive', `file=${disk},format=qcow2,if=virtio`, ...second];
  const options = { timeout: BOOT_LIMIT_MS, killSignal: 'SIGKILL' } as const;
  const { stdout } = await promisify(execFile)('qemu-system-x86_64', [...guestArguments(guest), ...devices], options);
  return stdout;
}

/** The package's name changes with every update of the kernel. */
function newestKernelPackage(): string {
  const text = execFileSync('apt-cache', ['depends', 'linux-image-cloud-amd64'], { encoding: 'utf8' });
  const name = /Depends: (linux-image-\S+)/.exec(text)?.[1];
  if (name === undefined) throw new Error('apt knows no linux-image-cloud-amd64: run "apt-get update"');
  return name;
}

/**
 * Packages, unpacked in a directory of the user's cache that is called as the first of them; complete or not at all, as
 * several tests may do it at once. A kernel lies there as `vmlinuz`.
 */
async function kept(name: string, others: readonly string[]): Promise<string> {
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'umbra-test');
  mkdirSync(cache, { recursive: true });
  const ready = join(cache, name);
  if (existsSync(ready)) return ready;
  const work = mkdtempSync(join(cache, 'making-'));
  try {
    for (const wanted of [name, ...others]) {
      await promisify(execFile)('apt-get', ['-q', 'download', wanted], { cwd: work });
    }
    for (const deb of readdirSync(work).filter((file) => file.endsWith('.deb'))) {
      await promisify(execFile)('dpkg-deb', ['-x', join(work, deb), work]);
      rmSync(join(work, deb));
    }
    const [vmlinuz] = readdirSync(work).includes('boot')
      ? readdirSync(join(work, 'boot')).filter((file) => file.startsWith('vmlinuz-'))
      : [];
    if (vmlinuz !== undefined) renameSync(join(work, 'boot', vmlinuz), join(work, 'vmlinuz'));
    if (!existsSync(ready)) renameSync(work, ready);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return ready;
}

/** A program of this machine's kind, with this machine's libraries. */
function addProgram(archive: CpioArchive, name: string, path: string): void {
  archive.file(name, readFileSync(path));
  const made = new Set<string>();
  for (const line of execFileSync('ldd', [path], { encoding: 'utf8' }).split('\n')) {
    const library = /(\/\S+) \(0x/.exec(line)?.[1];
    if (library === undefined) continue;
    const parts = library.split('/').slice(1, -1);
    for (const [index] of parts.entries()) {
      const directory = parts.slice(0, index + 1).join('/');
      if (!made.has(directory)) archive.directory(directory);
      made.add(directory);
    }
    archive.file(library.slice(1), readFileSync(library));
  }
}

function guestFiles(ready: string, init: Buffer, programs: readonly string[] = []): CpioArchive {
  const archive = new CpioArchive();
  for (const directory of ['bin', 'dev', 'mnt', 'modules', 'proc', 'sbin']) archive.directory(directory);
  const busybox = ['bin/busybox', 'usr/bin/busybox'].map((path) => join(ready, path)).find((path) => existsSync(path));
  archive.file('bin/busybox', readFileSync(busybox ?? join(ready, 'bin/busybox')));
  for (const program of new Set([...PROGRAMS, ...programs])) archive.link(`bin/${program}`, 'busybox');
  const [modules = ''] = ['lib/modules', 'usr/lib/modules']
    .map((path) => join(ready, path))
    .filter((path) => existsSync(path));
  const [release = ''] = readdirSync(modules);
  const builtIn = readFileSync(join(modules, release, 'modules.builtin'), 'utf8').split('\n');
  const loaded = MODULES.filter((module) => !builtIn.includes(`kernel/${module}`));
  for (const module of loaded) {
    archive.file(`modules/${basename(module)}`, readModule(join(modules, release, 'kernel', module)));
  }
  archive.file('modules/order', Buffer.from(loaded.map((module) => basename(module)).join('\n')));
  archive.file('init', init);
  return archive;
}

/** A kernel module, which may be compressed. */
function readModule(path: string): Buffer {
  if (existsSync(path)) return readFileSync(path);
  return execFileSync('xz', ['--decompress', '--stdout', `${path}.xz`], { maxBuffer: 64 * 1024 * 1024 });
}
