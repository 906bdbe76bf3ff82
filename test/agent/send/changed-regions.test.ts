import t from 'tap';
import { changedRegions, readChanged, type ChangedRegion } from '../../../agent/send/changed-regions.js';
import type { CheckpointVolume } from '../../../agent/trackers/tracker.js';
import { BLOCK_BYTES } from '../../../src/codec/formats.js';
import { UmbraError } from '../../../src/common/errors.js';
import { BodyMemory } from '../../../src/protocol/body-memory.js';
import { memoryVolume } from '../../kit/ingest.js';

const CHANGES = [1, 3, 5].map((block) => ({ offset: block * BLOCK_BYTES, length: BLOCK_BYTES }));
const CONTENT = Buffer.alloc(8 * BLOCK_BYTES, 1);

async function onlyRegion(volume: CheckpointVolume): Promise<ChangedRegion> {
  for await (const region of changedRegions(volume)) return region;
  throw new UmbraError('INTERNAL', 'nothing changed');
}

t.test('what changed in a region is read at once', async (t) => {
  const plain = memoryVolume('vda', CONTENT, CHANGES);
  const asked: (() => void)[] = [];
  const read = async (target: Uint8Array, offset: number): Promise<void> => {
    // None is answered before all are asked.
    await new Promise<void>((resolve) => {
      if (asked.push(resolve) === CHANGES.length) for (const answer of asked) answer();
    });
    await plain.read(target, offset);
  };
  const { data, zeros, body } = await readChanged({ ...plain, read }, await onlyRegion(plain), new BodyMemory());
  t.same([data, zeros], [[1, 1, 3, 1, 5, 1], []]);
  t.ok(body.equals(CONTENT.subarray(0, 3 * BLOCK_BYTES)));
});

t.test('a read that fails is told when no other is under way', async (t) => {
  const plain = memoryVolume('vda', CONTENT, CHANGES);
  let underWay = 0;
  const read = async (_: Uint8Array, offset: number): Promise<void> => {
    if (offset === BLOCK_BYTES) throw new UmbraError('IMAGE_FAILED', 'broken');
    underWay++;
    await new Promise((resolve) => setImmediate(resolve));
    underWay--;
  };
  await t.rejects(readChanged({ ...plain, read }, await onlyRegion(plain), new BodyMemory()), { code: 'IMAGE_FAILED' });
  t.equal(underWay, 0);
});

t.test('memory that was used before shows nowhere', async (t) => {
  const memory = new BodyMemory();
  const blocks = 1023;
  // The volume ends within its last block.
  const content = Buffer.alloc(blocks * BLOCK_BYTES - 100, 7);
  const volume = memoryVolume('vda', content, [{ offset: 0, length: content.length }]);
  const first = await readChanged(volume, await onlyRegion(volume), memory);
  first.read.fill(9);
  memory.giveBack(first.read);
  const { body, read } = await readChanged(volume, await onlyRegion(volume), memory);
  t.equal(read.buffer, first.read.buffer, 'used again');
  t.ok(body.equals(Buffer.concat([content, Buffer.alloc(100)])));
});
