import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { BlockCache } from '../../../../mount/blocks/block-cache.js';
import { discover } from '../../../../mount/disk/discover.js';
import { readThinMap, readThinPool } from '../../../../mount/disk/lvm/thin-metadata.js';
import { Probe } from '../../../../mount/disk/probe.js';
import { makeGroup, segmentText, volumeText } from '../../../kit/disk/lvm.js';
import { sparseFile } from '../../../kit/disk/partitioned.js';
import { patchedSource } from '../../../kit/filesystems/fuzz.js';
import { memorySource } from '../../../kit/filesystems/sources.js';
import { Random, testSeed } from '../../../kit/random.js';

const MIB = 1024 * 1024;
const BLOCK_BYTES = 65_536;

/** Mappings of the volumes of a pool: where each block stands. */
type Devices = ReadonlyMap<number, ReadonlyMap<number, number>>;

/** A pool's metadata, made by thin_restore of thin-provisioning-tools. */
function thinMetadata(t: Test, devices: Devices, dataBlocks: number): Buffer {
  const file = sparseFile(t, 8 * MIB, 'tmeta');
  const xml = join(dirname(file), 'metadata.xml');
  const texts = [...devices].map(([id, blocks]) => {
    const maps = [...blocks].map(
      ([from, to]) => `<single_mapping origin_block="${from}" data_block="${to}" time="1"/>`,
    );
    const attributes = `dev_id="${id}" mapped_blocks="${blocks.size}" transaction="0" creation_time="0" snap_time="1"`;
    return `<device ${attributes}>\n${maps.join('\n')}\n</device>`;
  });
  const superblock = `uuid="" time="2" transaction="3" flags="0" version="2" data_block_size="128" nr_data_blocks="${dataBlocks}"`;
  writeFileSync(xml, `<superblock ${superblock}>\n${texts.join('\n')}\n</superblock>\n`);
  execFileSync('thin_restore', ['-i', xml, '-o', file], { stdio: 'ignore' });
  return readFileSync(file);
}

/** Each mapped block one number; some of them in rows. */
function randomDevices(random: Random, counts: readonly number[], dataBlocks: number): Devices {
  const free = Array.from({ length: dataBlocks }, (_, index) => index);
  for (let index = 0; index < free.length; index += 1 + random.below(9)) {
    const other = random.below(free.length);
    [free[index], free[other]] = [free[other] ?? 0, free[index] ?? 0];
  }
  return new Map(
    counts.map((count, id) => {
      const blocks = new Map<number, number>();
      for (let block = random.below(3); blocks.size < count; block += random.chance(0.8) ? 1 : random.between(2, 50)) {
        blocks.set(block, free.pop() ?? 0);
      }
      return [id * 7 + 1, blocks];
    }),
  );
}

t.test('mappings, as thin_restore wrote them', async (t) => {
  const random = new Random(testSeed(t));
  const devices = randomDevices(random, [9000, 1, 300, 0], 20_000);
  const metadata = new Probe(memorySource(thinMetadata(t, devices, 20_000)), new BlockCache(MIB));
  const pool = await readThinPool(metadata);
  t.equal(pool.blockBytes, BLOCK_BYTES);
  const data = memorySource(Buffer.alloc(0));
  for (const [id, blocks] of devices) {
    const map = await readThinMap(metadata, pool, id, 20_000);
    const last = Math.max(0, ...blocks.keys()) + 3;
    const volume = map?.over(
      { ...data, sizeBytes: 20_000 * BLOCK_BYTES, locate: (offset, length) => [{ volume: 'x', offset, length }] },
      BLOCK_BYTES,
      last * BLOCK_BYTES,
    );
    const found = new Map<number, number>();
    let at = 0;
    for (const { volume: where, offset, length } of volume?.locate(0, last * BLOCK_BYTES) ?? []) {
      for (let index = 0; where !== undefined && index < length / BLOCK_BYTES; index++)
        found.set(at / BLOCK_BYTES + index, offset / BLOCK_BYTES + index);
      at += length;
    }
    t.same(found, blocks);
    t.equal(at, last * BLOCK_BYTES);
  }
  t.equal(await readThinMap(metadata, pool, 999, 20_000), undefined);
  await t.rejects(readThinMap(metadata, pool, 1, 100), { code: 'FILESYSTEM_DAMAGED', message: /outside of the pool/ });
});

t.test('thin volumes in a group, snapshots among them', async (t) => {
  const group = makeGroup(t, 'vg0', [40]);
  group.restore(
    [
      volumeText('pool', [
        segmentText(
          0,
          16,
          'thin-pool',
          'metadata = "pool_tmeta"\npool = "pool_tdata"\ntransaction_id = 3\nchunk_size = 128\ndiscards = "passdown"\nzero_new_blocks = 1',
        ),
      ]),
      volumeText('thin', [segmentText(0, 20, 'thin', 'thin_pool = "pool"\ntransaction_id = 0\ndevice_id = 1')]),
      volumeText('external', [
        segmentText(0, 2, 'thin', 'thin_pool = "pool"\ntransaction_id = 1\ndevice_id = 2\nexternal_origin = "base"'),
      ]),
      volumeText('lost', [segmentText(0, 2, 'thin', 'thin_pool = "pool"\ntransaction_id = 2\ndevice_id = 5')]),
      volumeText(
        'base',
        [segmentText(0, 1, 'striped', 'stripe_count = 1\nstripes = ["pv0", 30]')],
        '"READ", "VISIBLE"',
      ),
      volumeText(
        'pool_tdata',
        [segmentText(0, 16, 'striped', 'stripe_count = 1\nstripes = ["pv0", 0]')],
        '"READ", "WRITE"',
      ),
      volumeText(
        'pool_tmeta',
        [segmentText(0, 8, 'striped', 'stripe_count = 1\nstripes = ["pv0", 20]')],
        '"READ", "WRITE"',
      ),
    ].join('\n'),
  );
  const image = readFileSync(group.files[0] ?? '');
  for (let extent = 0; extent < 38; extent++) image.fill(extent + 1, MIB * (extent + 1), MIB * (extent + 2));
  const devices = new Map([
    [
      1,
      new Map([
        [0, 16],
        [1, 17],
        [40, 5],
      ]),
    ],
    [
      2,
      new Map([
        [3, 33],
        [20, 34],
      ]),
    ],
  ]);
  thinMetadata(t, devices, 256).copy(image, 21 * MIB);
  const found = await discover([{ name: 'vda', source: memorySource(image) }]);
  t.same(
    found.map(({ name }) => name),
    ['vg0-thin', 'vg0-external', 'vg0-lost', 'vg0-base'],
  );
  const content = async (name: string, sizeBytes: number): Promise<Buffer> => {
    const bytes = Buffer.alloc(sizeBytes, 0xee);
    t.equal(await found.find((device) => device.name === name)?.source.read(bytes, 0), sizeBytes);
    return bytes;
  };
  const thin = Buffer.alloc(20 * MIB);
  thin.fill(2, 0, 2 * BLOCK_BYTES).fill(1, 40 * BLOCK_BYTES, 41 * BLOCK_BYTES);
  t.ok((await content('vg0-thin', 20 * MIB)).equals(thin));
  const external = Buffer.alloc(2 * MIB).fill(31, 0, MIB);
  external.fill(3, 3 * BLOCK_BYTES, 4 * BLOCK_BYTES).fill(3, 20 * BLOCK_BYTES, 21 * BLOCK_BYTES);
  t.ok((await content('vg0-external', 2 * MIB)).equals(external), 'what it has not is taken from outside');
  t.match(found[2]?.unreadable, { what: /its thin pool knows nothing of it/ });
});

t.test('damaged metadata of a pool', async (t) => {
  const image = thinMetadata(t, randomDevices(new Random(1), [2000], 4000), 4000);
  const read = async (offset: number, bytes: Uint8Array): Promise<unknown> => {
    const metadata = new Probe(patchedSource(image, [{ offset, bytes }]), new BlockCache(MIB));
    return await readThinMap(metadata, await readThinPool(metadata), 1, 4000);
  };
  t.ok(await read(0, Buffer.alloc(0)));
  await t.rejects(read(100, Buffer.of(1)), { code: 'FILESYSTEM_DAMAGED', message: /checksum/ });
  const root = Number(image.readBigUInt64LE(320));
  await t.rejects(read(root * 4096 + 40, Buffer.of(0xee)), { code: 'FILESYSTEM_DAMAGED', message: /checksum/ });
  await t.rejects(readThinPool(new Probe(memorySource(Buffer.alloc(100)), new BlockCache(MIB))), {
    message: /lies outside/,
  });
});
