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

/** In this order: each needs those before it. Newer kernels of Debian have most of them built in. */
const MODULES = [
  'drivers/virtio/virtio_ring.ko',
  'drivers/virtio/virtio.ko',
  'drivers/virtio/virtio_pci_modern_dev.ko',
  'drivers/virtio/virtio_pci_legacy_dev.ko',
  'drivers/virtio/virtio_pci.ko',
  'drivers/block/virtio_blk.ko',
];

const PROGRAMS = ['sh', 'mount', 'umount', 'insmod', 'cat', 'echo', 'sha256sum', 'sync', 'sleep', 'poweroff'];

/** It says what is in the file `data` of its disk, leaves a file there, and ends. */
const INIT = `#!/bin/sh
mount -t proc proc /proc
mount -t devtmpfs dev /dev
for module in $(cat /modules/order); do insmod "/modules/$module"; done
for try in 1 2 3 4 5 6 7 8 9 10; do [ -b /dev/vda ] || sleep 0.2; done
mount -t ext4 /dev/vda /mnt && echo "guest: data $(sha256sum < /mnt/data)"
echo 'written by the guest' > /mnt/from-guest && echo 'guest: wrote'
sync
umount /mnt
poweroff -f
`;

const KERNEL_ARGUMENTS = 'console=ttyS0 quiet panic=-1 mitigations=off no_timer_check tsc=reliable cryptomgr.notests';
const BOOT_LIMIT_MS = 120_000;

/** Debian's kernel for virtual machines with busybox, fetched by apt-get once and kept in the user's cache. */
export async function getGuest(): Promise<Guest> {
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'umbra-test');
  mkdirSync(cache, { recursive: true });
  const kernelPackage = newestKernelPackage();
  const ready = join(cache, kernelPackage);
  if (!existsSync(ready)) await build(cache, ready, kernelPackage);
  const initrd = join(ready, `initrd-${process.pid}`);
  return { kernel: join(ready, 'vmlinuz'), initrd: writeInitrd(ready, initrd) };
}

/** Boot it with a qcow2 image as its disk; what it said until it powered itself off. */
export async function bootGuest({ kernel, initrd }: Guest, disk: string): Promise<string> {
  const machine = ['-nodefaults', '-no-user-config', '-M', 'pc', '-accel', 'tcg', '-cpu', 'qemu64', '-m', '256'];
  const boot = ['-kernel', kernel, '-initrd', initrd, '-append', KERNEL_ARGUMENTS];
  const devices = [
    '-display',
    'none',
    '-serial',
    'stdio',
    '-no-reboot',
    '-drive',
    `file=${disk},format=qcow2,if=virtio`,
  ];
  const options = { timeout: BOOT_LIMIT_MS, killSignal: 'SIGKILL' } as const;
  const { stdout } = await promisify(execFile)('qemu-system-x86_64', [...machine, ...boot, ...devices], options);
  return stdout;
}

/** The package's name changes with every update of the kernel. */
function newestKernelPackage(): string {
  const text = execFileSync('apt-cache', ['depends', 'linux-image-cloud-amd64'], { encoding: 'utf8' });
  const name = /Depends: (linux-image-\S+)/.exec(text)?.[1];
  if (name === undefined) throw new Error('apt knows no linux-image-cloud-amd64: run "apt-get update"');
  return name;
}

/** Download, unpack and keep; complete or not at all, as several tests may do it at once. */
async function build(cache: string, ready: string, kernelPackage: string): Promise<void> {
  const work = mkdtempSync(join(cache, 'making-'));
  try {
    for (const name of [kernelPackage, 'busybox-static']) {
      await promisify(execFile)('apt-get', ['-q', 'download', name], { cwd: work });
    }
    for (const deb of readdirSync(work).filter((name) => name.endsWith('.deb'))) {
      await promisify(execFile)('dpkg-deb', ['-x', join(work, deb), work]);
      rmSync(join(work, deb));
    }
    const [vmlinuz = ''] = readdirSync(join(work, 'boot')).filter((name) => name.startsWith('vmlinuz-'));
    renameSync(join(work, 'boot', vmlinuz), join(work, 'vmlinuz'));
    if (!existsSync(ready)) renameSync(work, ready);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function writeInitrd(ready: string, initrd: string): string {
  const archive = new CpioArchive();
  for (const directory of ['bin', 'dev', 'mnt', 'modules', 'proc']) archive.directory(directory);
  const busybox = ['bin/busybox', 'usr/bin/busybox'].map((path) => join(ready, path)).find((path) => existsSync(path));
  archive.file('bin/busybox', readFileSync(busybox ?? join(ready, 'bin/busybox')));
  for (const program of PROGRAMS) archive.link(`bin/${program}`, 'busybox');
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
  archive.file('init', Buffer.from(INIT));
  writeFileSync(initrd, archive.finish());
  return initrd;
}

/** A kernel module, which may be compressed. */
function readModule(path: string): Buffer {
  if (existsSync(path)) return readFileSync(path);
  return execFileSync('xz', ['--decompress', '--stdout', `${path}.xz`], { maxBuffer: 64 * 1024 * 1024 });
}
