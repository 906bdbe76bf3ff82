import t from 'tap';
import { cutRegion, type CuttingSettings } from '../../../src/codec/cutting.js';
import { digestOf } from '../../../src/codec/digest.js';
import { BLOCK_BYTES } from '../../../src/codec/formats.js';
import { chunksToRead, mergeChunks, spansToCut, type Span } from '../../../src/ingest/recut.js';
import type { ChunkRef } from '../../../src/tree/node.js';
import { Random, testSeed } from '../../kit/random.js';

const BLOCKS = 128;

/** By low hashes, by high ones, and by both. */
const CUTTINGS = [
  { zeroBits: 2, window: 0 },
  { zeroBits: 0, window: 1 },
  { zeroBits: 0, window: 2 },
  { zeroBits: 0, window: 7 },
  { zeroBits: 0, window: 7 },
  { zeroBits: 1, window: 2 },
];

function cut(region: Buffer, settings: CuttingSettings, first = 0, end = BLOCKS): ChunkRef[] {
  const bytes = region.subarray(first * BLOCK_BYTES, end * BLOCK_BYTES);
  return cutRegion(bytes, settings).map(({ firstBlock, blocks }) => {
    const at = (first + firstBlock) * BLOCK_BYTES;
    return { firstBlock: first + firstBlock, blocks, digest: digestOf(region.subarray(at, at + blocks * BLOCK_BYTES)) };
  });
}

/** Draws blocks, with more or fewer holes and of more or fewer kinds: chunks end by content, by holes, and for being full. */
function blockFiller(random: Random): (region: Buffer, block: number) => void {
  const holes = [0, 0.02, 0.05, 0.25][random.below(4)] ?? 0;
  const kinds = [2, 10, 200, 200][random.below(4)] ?? 200;
  return (region, block) => {
    const value = random.chance(holes) ? 0 : 1 + random.below(kinds);
    region.fill(value, block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES);
  };
}

t.test('cutting only what a change disturbs gives what cutting everything gives', (t) => {
  const random = new Random(testSeed(t));
  let kept = 0;
  for (let round = 0; round < 900; round++) {
    const cutting = CUTTINGS[random.below(CUTTINGS.length)] ?? { zeroBits: 0, window: 0 };
    const settings = { seed: 7n, maxBlocks: [3, 8, 16, 64][round % 4] ?? 64, ...cutting };
    const fillBlock = blockFiller(random);
    const region = Buffer.alloc(BLOCKS * BLOCK_BYTES);
    for (let block = 0; block < BLOCKS; block++) fillBlock(region, block);
    const before = cut(region, settings);
    const old = Buffer.from(region);
    const changed: Span[] = [];
    for (let at = random.below(BLOCKS); at < BLOCKS; at += 1 + random.below(BLOCKS)) {
      const end = Math.min(BLOCKS, at + 1 + random.below(6));
      for (let block = at; block < end; block++) fillBlock(region, block);
      changed.push({ first: at, end });
      at = end;
    }
    const spans = spansToCut(before, changed, settings);
    const fresh = spans.flatMap(({ first, end }) => cut(region, settings, first, end));
    const merged = mergeChunks(before, spans, fresh);
    t.strictSame(merged, cut(region, settings), `round ${round}`);
    kept += merged.length - fresh.length;
    const readable = assemble(old, before, spans, changed, region);
    for (const { first, end } of spans) {
      const same = region.compare(
        readable,
        first * BLOCK_BYTES,
        end * BLOCK_BYTES,
        first * BLOCK_BYTES,
        end * BLOCK_BYTES,
      );
      t.equal(same, 0, `round ${round}: what has to be read is enough`);
    }
  }
  t.ok(kept > 1000, `${kept} chunks were kept`);
  t.end();
});

/** The region as far as it is known from the chunks that have to be read, and from the changes. */
function assemble(
  old: Buffer,
  before: readonly ChunkRef[],
  spans: readonly Span[],
  changed: readonly Span[],
  region: Buffer,
): Buffer {
  const known = Buffer.alloc(BLOCKS * BLOCK_BYTES);
  for (const { firstBlock, blocks } of chunksToRead(before, spans, changed)) {
    const at = firstBlock * BLOCK_BYTES;
    old.copy(known, at, at, at + blocks * BLOCK_BYTES);
  }
  for (const { first, end } of changed) region.copy(known, first * BLOCK_BYTES, first * BLOCK_BYTES, end * BLOCK_BYTES);
  return known;
}
