import t from 'tap';
import type { DiskImage } from '../../../agent/images/image.js';
import { regionInputs, type RegionExtents } from '../../../agent/images/region-inputs.js';
import { BLOCK_BYTES, REGION_BYTES } from '../../../src/codec/formats.js';
import type { ByteRange } from '../../../src/protocol/api.js';
import { fakeImage } from '../../kit/fake-image.js';
import { Random, testSeed } from '../../kit/random.js';

function imageWith(sizeBytes: number, extents: readonly ByteRange[]): DiskImage {
  return { ...fakeImage(new Uint8Array(), { extents }), sizeBytes };
}

async function inputs(image: DiskImage): Promise<RegionExtents[]> {
  const found: RegionExtents[] = [];
  for await (const input of regionInputs(image)) found.push(input);
  return found;
}

t.test('extents are cut at regions; regions without data are left out', async (t) => {
  const size = 5 * REGION_BYTES + 1000;
  const found = await inputs(
    imageWith(size, [
      { offset: 100, length: 50 },
      { offset: REGION_BYTES - 10, length: 20 },
      { offset: 3 * REGION_BYTES, length: 2 * REGION_BYTES + 1000 },
    ]),
  );
  t.same(found, [
    { region: 0, length: REGION_BYTES, extents: [100, 50, REGION_BYTES - 10, 10], dataBytes: 60 },
    { region: 1, length: REGION_BYTES, extents: [0, 10], dataBytes: 10 },
    { region: 3, length: REGION_BYTES, extents: [0, REGION_BYTES], dataBytes: REGION_BYTES },
    { region: 4, length: REGION_BYTES, extents: [0, REGION_BYTES], dataBytes: REGION_BYTES },
    { region: 5, length: 1000, extents: [0, 1000], dataBytes: 1000 },
  ]);
  t.same(await inputs(imageWith(size, [])), []);
  t.same(await inputs(imageWith(0, [])), []);
});

t.test('extents that touch become one, empty ones none', async (t) => {
  const found = await inputs(
    imageWith(REGION_BYTES, [
      { offset: 0, length: 10 },
      { offset: 10, length: 0 },
      { offset: 10, length: 5 },
      { offset: 20, length: 5 },
    ]),
  );
  t.same(found[0]?.extents, [0, 15, 20, 5]);
});

t.test('random extents: every byte of them, and nothing else, in order', async (t) => {
  const random = new Random(testSeed(t));
  for (let round = 0; round < 30; round++) {
    const extents: ByteRange[] = [];
    let at = 0;
    for (let count = random.below(40); count > 0; count--) {
      const offset = at + random.between(1, random.chance(0.2) ? 3 * REGION_BYTES : 9000);
      const length = random.between(1, random.chance(0.2) ? 2 * REGION_BYTES : 9000);
      extents.push({ offset, length });
      at = offset + length;
    }
    const found = await inputs(imageWith(at, extents));
    const ranges: ByteRange[] = [];
    for (const { region, extents: inside } of found) {
      for (let index = 0; index < inside.length; index += 2) {
        const offset = region * REGION_BYTES + (inside[index] ?? 0);
        const length = inside[index + 1] ?? 0;
        const last = ranges.at(-1);
        if (last === undefined || last.offset + last.length !== offset) ranges.push({ offset, length });
        else ranges[ranges.length - 1] = { offset: last.offset, length: last.length + length };
      }
    }
    t.same(ranges, extents);
    t.equal(
      found.reduce((sum, { dataBytes }) => sum + dataBytes, 0),
      extents.reduce((sum, { length }) => sum + length, 0),
    );
  }
});

t.test('more extents than a region has blocks for are joined', async (t) => {
  const extents = Array.from({ length: 5000 }, (_, index) => ({ offset: index * 800, length: 1 }));
  const [input] = await inputs(imageWith(REGION_BYTES, extents));
  t.equal(input?.extents.length, (REGION_BYTES / BLOCK_BYTES / 2) * 2);
  const [offset = 0, length = 0] = input?.extents.slice(-2) ?? [];
  t.equal(offset + length, 4999 * 800 + 1, 'the last one reaches to the end');
});

t.test('impossible extents are refused', async (t) => {
  const refused = async (...extents: ByteRange[]): Promise<void> => {
    await t.rejects(inputs(imageWith(10_000, extents)), {
      code: 'IMAGE_FAILED',
      message: /fake\.raw reports an impossible extent/,
    });
  };
  await refused({ offset: 0, length: 10_001 });
  await refused({ offset: 10_001, length: 0 });
  await refused({ offset: -1, length: 5 });
  await refused({ offset: 5, length: -1 });
  await refused({ offset: 0, length: 100 }, { offset: 99, length: 5 });
  await refused({ offset: 50, length: 10 }, { offset: 0, length: 10 });
});
