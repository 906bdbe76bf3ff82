import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { bootGuest, getGuest } from '../kit/guest.js';
import { qemuImg } from '../kit/qemu.js';
import { Random, testSeed } from '../kit/random.js';
import { scratch } from '../kit/mount-server.js';
import { contentDigest } from '../kit/trust/machine.js';
import { hostedUmbraAt } from '../kit/hosted-umbra.js';
import type { Umbra } from '../kit/umbra-program.js';

const MIB = 1024 * 1024;

const random = new Random(testSeed(t));
const data = random.bytes(3 * MIB);

interface Mounted {
  readonly umbra: Umbra;
  readonly directory: string;
  /** What was backed up: an ext4 file system with a file `data`. */
  readonly image: string;
  /** The same, in the mount. */
  readonly volume: string;
}

async function mountedVolume(t: Test): Promise<Mounted> {
  const directory = scratch(t);
  const image = ext4Image(directory);
  const umbra = hostedUmbraAt(t, join(directory, 'store'));
  await umbra.backup('vm', image);
  const mountPoint = join(directory, 'mount');
  mkdirSync(mountPoint);
  await umbra.mount(mountPoint);
  t.teardown(() => umbra.run('unmount', mountPoint, '--force'));
  return { umbra, directory, image, volume: join(mountPoint, 'vm', 'latest', 'volumes', 'vda.raw') };
}

/** An image with an ext4 file system that holds {@link data}. */
function ext4Image(directory: string): string {
  const image = join(directory, 'ext4.raw');
  const content = join(directory, 'content');
  mkdirSync(content);
  writeFileSync(join(content, 'data'), data);
  writeFileSync(image, '');
  truncateSync(image, 48 * MIB);
  execFileSync('mkfs.ext4', ['-q', '-F', '-d', content, image]);
  return image;
}

function run(program: string, ...args: readonly string[]): string {
  return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

t.test('programs that read a volume in a mount', { timeout: 240_000 }, async (t) => {
  const { directory, image, volume } = await mountedVolume(t);
  const copy = join(directory, 'copy.raw');

  run('cmp', image, volume);
  run('dd', `if=${volume}`, `of=${copy}`, 'bs=1000003', 'status=none');
  run('cmp', image, copy);
  run('dd', `if=${volume}`, `of=${copy}`, 'bs=1M', 'iflag=direct', 'status=none');
  run('cmp', image, copy);
  t.pass('dd');

  await rm(copy);
  run('cp', '--sparse=always', volume, copy);
  run('cmp', image, copy);
  t.ok(statSync(copy).blocks * 512 < 24 * MIB, 'cp --sparse=always makes a sparse file');

  t.match(run('e2fsck', '-fn', volume), /files/, 'e2fsck');

  const info: unknown = JSON.parse(qemuImg('info', '--output=json', '-f', 'raw', volume));
  t.match(info, { 'virtual-size': 48 * MIB, format: 'raw' });
  qemuImg('convert', '-f', 'raw', '-O', 'qcow2', volume, join(directory, 'copy.qcow2'));
  t.match(qemuImg('compare', '-f', 'raw', '-F', 'qcow2', volume, join(directory, 'copy.qcow2')), /identical/);

  const files = join(directory, 'files');
  mkdirSync(files);
  run('mount', '-o', 'ro,loop,noload', volume, files);
  try {
    t.ok(data.equals(readFileSync(join(files, 'data'))), 'mount -o ro,loop,noload');
  } finally {
    run('umount', files);
  }
});

t.test('a virtual machine boots from an overlay over a volume in a mount', { timeout: 240_000 }, async (t) => {
  const { directory, image, volume } = await mountedVolume(t);
  const overlay = join(directory, 'overlay.qcow2');
  qemuImg('create', '-q', '-f', 'qcow2', '-b', volume, '-F', 'raw', overlay);
  const guest = await getGuest();
  const said = await bootGuest(guest, overlay).finally(() => {
    rmSync(guest.initrd);
  });
  t.match(said, `guest: data ${contentDigest(data)}`, 'the guest reads what was backed up');
  t.match(said, 'guest: wrote');

  const flat = join(directory, 'flat.raw');
  qemuImg('convert', '-f', 'qcow2', '-O', 'raw', overlay, flat);
  t.equal(run('debugfs', '-R', 'cat /from-guest', flat), 'written by the guest\n', 'and writes into the overlay');
  run('cmp', image, volume);
  t.pass('the volume is as it was');
});

const FORMATS = [
  { format: 'qcow2', options: ['-o', 'compression_type=zlib', '-c'] },
  { format: 'qcow2', options: ['-o', 'compression_type=zstd', '-c'] },
  { format: 'vhdx', options: [] },
  { format: 'vmdk', options: [] },
  { format: 'vdi', options: [] },
] as const;

t.test('images of all formats are protected as what qemu-img reads from them', { timeout: 240_000 }, async (t) => {
  const directory = scratch(t);
  const umbra = hostedUmbraAt(t, join(directory, 'store'));
  const raw = ext4Image(directory);
  for (const [index, { format, options }] of FORMATS.entries()) {
    const machine = `${format}-${index}`;
    const image = join(directory, `${machine}.${format}`);
    qemuImg('convert', '-f', 'raw', '-O', format, ...options, raw, image);
    const converted = join(directory, 'converted.raw');
    qemuImg('convert', '-f', format, '-O', 'raw', image, converted);
    await umbra.backup(machine, image);
    const restored = join(directory, `${machine}.restored`);
    await umbra.result('restore', machine, '--volume', 'vda', '--to', restored);
    run('cmp', converted, restored);
    t.pass(`${format} ${options.join(' ')}`);
  }

  const overlay = join(directory, 'overlay.qcow2');
  qemuImg('create', '-q', '-f', 'qcow2', '-b', join(directory, 'qcow2-0.qcow2'), '-F', 'qcow2', overlay);
  run('qemu-io', '-f', 'qcow2', '-c', 'write -P 7 20M 100k', overlay);
  qemuImg('convert', '-f', 'qcow2', '-O', 'raw', overlay, join(directory, 'overlay.raw'));
  await umbra.backup('overlay', overlay);
  await umbra.result('restore', 'overlay', '--volume', 'vda', '--to', join(directory, 'overlay.restored'));
  run('cmp', join(directory, 'overlay.raw'), join(directory, 'overlay.restored'));
  t.pass('a qcow2 image over another');

  const exported = join(directory, 'exported.qcow2');
  await umbra.result('export', 'overlay', '--volume', 'vda', '--to', exported);
  t.match(qemuImg('compare', join(directory, 'overlay.raw'), exported), /identical/, 'and exported');
});
