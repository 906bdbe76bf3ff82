import t from 'tap';
import { OverlaySource } from '../../../mount/blocks/overlay.js';
import { Random } from '../../kit/random.js';
import { memorySource, strictSource } from '../../kit/filesystems/sources.js';

t.test('replaced blocks are read instead of the source', async (t) => {
  const random = new Random(7);
  const base = random.bytes(1000);
  const blocks = new Map([2, 3, 7, 15].map((block) => [block, random.bytes(64)]));
  const expected = Buffer.from(base);
  for (const [block, bytes] of blocks) expected.set(bytes.subarray(0, 1000 - block * 64), block * 64);
  for (const source of [memorySource(base), strictSource(memorySource(base), (what) => t.fail(what))]) {
    const overlay = new OverlaySource(source, 64, blocks);
    for (let turn = 0; turn < 300; turn++) {
      const offset = random.below(1000);
      const length = random.below(400);
      const target = Buffer.alloc(length);
      const read = await overlay.read(target, offset);
      if (!target.subarray(0, read).equals(expected.subarray(offset, offset + length))) t.fail(`at ${offset}`);
      if (read !== Math.min(length, 1000 - offset)) t.fail(`${read} bytes at ${offset}`);
    }
    t.equal(overlay.size, 4);
  }
});

t.test('replaced blocks stand in no volume', async (t) => {
  const blocks = new Map([2, 3, 7].map((block) => [block, Buffer.alloc(64)]));
  const overlay = new OverlaySource(memorySource(Buffer.alloc(640)), 64, blocks);
  t.same(overlay.locate(100, 500), [
    { volume: 'vda', offset: 100, length: 28 },
    { offset: 0, length: 128 },
    { volume: 'vda', offset: 256, length: 192 },
    { offset: 0, length: 64 },
    { volume: 'vda', offset: 512, length: 88 },
  ]);
  t.same(overlay.locate(0, 0), []);
  t.equal(await new OverlaySource(memorySource(Buffer.alloc(64)), 64, new Map()).read(Buffer.alloc(10), 60), 4);
});
