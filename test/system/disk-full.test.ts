import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { EXIT_CODES } from '../../src/common/exit-codes.js';
import { Random, testSeed } from '../kit/random.js';
import { ext4Disk, smallDisk, type SmallDisk } from '../kit/small-disk.js';
import { scratch } from '../kit/mount-server.js';
import { checkVerifies, listedVersions, readMounted } from '../kit/trust/check.js';
import { contentDigest } from '../kit/trust/machine.js';
import { hostedUmbraAt } from '../kit/hosted-umbra.js';
import { errorOf, type Umbra } from '../kit/umbra-program.js';

const MIB = 1024 * 1024;
/** So large that a store on it has a reserve. */
const DISK_BYTES = 1024 * MIB;

const random = new Random(testSeed(t));

/** An image of random bytes, which no compression makes smaller. */
function randomImage(path: string, sizeBytes: number): string {
  writeFileSync(path, random.bytes(sizeBytes));
  return path;
}

interface FullDisk {
  readonly disk: SmallDisk;
  readonly umbra: Umbra;
  /** For images and mounts; on another disk. */
  readonly directory: string;
  /** An image that is backed up twice, changed in between. */
  readonly image: string;
  readonly first: string;
  readonly firstDigest: string;
  readonly secondDigest: string;
}

/** A store on a small disk with two shadow copies of a machine, the disk not yet full. */
async function storeOnSmallDisk(t: Test): Promise<FullDisk> {
  const disk = ext4Disk(t, DISK_BYTES);
  const umbra = hostedUmbraAt(t, join(disk.directory, 'store'));
  const directory = scratch(t);
  const image = randomImage(join(directory, 'one.raw'), 12 * MIB);
  const firstDigest = contentDigest(readFileSync(image));
  const { shadowCopy } = await umbra.backup('one', image);
  randomImage(image, 12 * MIB);
  const secondDigest = contentDigest(readFileSync(image));
  await umbra.backup('one', image);
  return { disk, umbra, directory, image, first: `one@${shadowCopy}`, firstDigest, secondDigest };
}

/** Mount, compare both shadow copies with what was backed up, unmount. */
async function assertReadsRight(t: Test, { umbra, directory, firstDigest, secondDigest }: FullDisk): Promise<void> {
  const mountPoint = join(directory, 'mount');
  await umbra.mount(mountPoint);
  const found = readMounted(mountPoint, await listedVersions(umbra));
  await umbra.result('unmount', mountPoint);
  const digests = [...found.values()].map((content) => content['vda']);
  t.same(digests, [firstDigest, secondDigest], 'both shadow copies read right, nothing else is listed');
}

async function assertFull(t: Test, umbra: Umbra, ...commandLine: readonly string[]): Promise<void> {
  const ended = await umbra.run(...commandLine);
  t.equal(ended.code, EXIT_CODES.FULL.code, `${ended.command}: ${ended.stderr}`);
  const { code, message, hint } = errorOf(ended);
  t.equal(code, 'STORE_FULL');
  t.match(message, /full/);
  t.type(hint, 'string', 'says what to do');
}

t.test('a backup onto a disk that fills', { timeout: 240_000 }, async (t) => {
  const full = await storeOnSmallDisk(t);
  const { disk, umbra, directory } = full;
  const big = randomImage(join(directory, 'big.raw'), 60 * MIB);
  disk.fill(40 * MIB);
  await assertFull(t, umbra, 'backup', 'big', big);
  await assertReadsRight(t, full);
  t.comment('again, by a server that finds the disk full when it starts');
  await umbra.killServer();
  await assertFull(t, umbra, 'backup', 'big', big);
  await assertReadsRight(t, full);
  t.comment('collecting what the broken-off backups stored makes room again');
  await umbra.gc();
  const small = randomImage(join(directory, 'small.raw'), 12 * MIB);
  await umbra.backup('small', small);
  await checkVerifies(umbra);
});

t.test('forget and gc on a disk without a free byte', { timeout: 240_000 }, async (t) => {
  const full = await storeOnSmallDisk(t);
  const { disk, umbra, directory, first, secondDigest } = full;
  disk.fill(0);
  await assertReadsRight(t, full);
  // What became free since is filled, too: it is the backup that is to find no room.
  disk.fill(0);
  await assertFull(t, umbra, 'backup', 'other', randomImage(join(directory, 'other.raw'), 4 * MIB));
  await umbra.forget(first);
  t.equal((await listedVersions(umbra)).length, 1, 'forgotten');
  const { freedBytes } = await umbra.gc();
  t.ok(freedBytes > 8 * MIB, `${freedBytes} bytes came back`);
  await umbra.backup('other', join(directory, 'other.raw'));
  await checkVerifies(umbra);
  const target = join(directory, 'restored.raw');
  await umbra.result('restore', 'one', '--volume', 'vda', '--to', target);
  t.equal(contentDigest(readFileSync(target)), secondDigest);
});

t.test('a server that starts on a disk without a free byte', { timeout: 240_000 }, async (t) => {
  const full = await storeOnSmallDisk(t);
  const { disk, umbra, first } = full;
  await umbra.killServer();
  disk.fill(0);
  await assertReadsRight(t, full);
  await umbra.forget(first);
  await umbra.gc();
  t.equal((await listedVersions(umbra)).length, 1);
  disk.release();
  await checkVerifies(umbra);
});

t.test('rebuild takes the reserve of a full disk', { timeout: 240_000 }, async (t) => {
  const full = await storeOnSmallDisk(t);
  const { disk, umbra } = full;
  disk.fill(0);
  await umbra.rebuild();
  await assertReadsRight(t, full);
});

t.test('rebuild that finds no room at all can be run again', { timeout: 240_000 }, async (t) => {
  const full = await storeOnSmallDisk(t);
  const { disk, umbra } = full;
  rmSync(join(umbra.store, 'reserve'));
  disk.fill(0);
  await assertFull(t, umbra, 'rebuild');
  disk.release();
  await umbra.rebuild();
  await assertReadsRight(t, full);
});

t.test('a target without room is no fault of the store', { timeout: 240_000 }, async (t) => {
  const directory = scratch(t);
  const umbra = hostedUmbraAt(t, join(directory, 'store'));
  await umbra.backup('one', randomImage(join(directory, 'one.raw'), 12 * MIB));
  const { directory: target } = smallDisk(t, 4 * MIB);
  const commands = [
    ['restore', 'one', '--volume', 'vda', '--to', join(target, 'one.raw')],
    ['restore', 'one', '--to', join(target, 'all')],
    ['export', 'one', '--volume', 'vda', '--to', join(target, 'one.qcow2')],
  ];
  for (const command of commands) {
    const ended = await umbra.run(...command);
    t.equal(ended.code, EXIT_CODES.FULL.code, `${ended.command}: ${ended.stderr}`);
    t.equal(errorOf(ended).code, 'TARGET_FULL');
    t.match(errorOf(ended).message, target, 'names the target');
    for (const name of readdirSync(target)) rmSync(join(target, name), { recursive: true });
  }
  await checkVerifies(umbra);
});

t.test('a new store on a full disk', { timeout: 240_000 }, async (t) => {
  const disk = smallDisk(t, 8 * MIB);
  const images = scratch(t);
  disk.fill(0);
  const umbra = hostedUmbraAt(t, join(disk.directory, 'store'));
  const image = randomImage(join(images, 'one.raw'), MIB);
  await assertFull(t, umbra, 'backup', 'one', image);
  disk.release();
  await umbra.backup('one', image);
  await checkVerifies(umbra);
});
