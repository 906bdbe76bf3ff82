import t from 'tap';
import { cutRegion, isZeroBlock, type Cut, type CuttingSettings } from '../../../src/codec/cutting.js';
import { BLOCK_BYTES } from '../../../src/codec/formats.js';
import { xxh64 } from '../../../src/codec/xxhash.js';
import { Random, testSeed } from '../../kit/random.js';

const SETTINGS: CuttingSettings = { seed: 0x0123456789abcdefn, zeroBits: 0, window: 7, maxBlocks: 64 };
/** How stores of format 1 are cut. */
const BY_LOW_HASHES: CuttingSettings = { ...SETTINGS, zeroBits: 4, window: 0 };

/** Blocks of few kinds, in runs, some of them holes. */
function randomRegion(random: Random, blocks: number): Buffer {
  const region = Buffer.alloc(blocks * BLOCK_BYTES);
  for (let block = 0; block < blocks;) {
    const kind = random.below(4);
    for (let left = random.between(1, 100); left > 0 && block < blocks; left--, block++) {
      if (kind > 0) fillBlock(region, block, kind === 1 ? 7 : random.below(2 ** 32));
    }
  }
  return region;
}

function fillBlock(region: Buffer, block: number, value: number): void {
  region.writeUInt32LE(value, block * BLOCK_BYTES + (value % 1000) * 4);
}

/** The definition, word by word: for each block, whether a chunk ends behind it. */
function naiveCuts(region: Buffer, { seed, zeroBits, window, maxBlocks }: CuttingSettings): Cut[] {
  const blocks = Array.from({ length: region.length / BLOCK_BYTES }, (_, index) =>
    region.subarray(index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES),
  );
  const isHole = (index: number): boolean => blocks[index]?.every((byte) => byte === 0) ?? true;
  const hashes = blocks.map((block) => xxh64(block, seed) % 2n ** 53n);
  const isHighest = (index: number): boolean => {
    const around = [...Array(2 * window + 1).keys()].map((at) => index - window + at);
    const highest = around.map((at) => hashes[at] ?? 0n).reduce((most, hash) => (hash > most ? hash : most), 0n);
    return !around.some(isHole) && around.find((at) => hashes[at] === highest) === index;
  };
  const cuts: Cut[] = [];
  let chunk: number[] = [];
  for (const [index, hash] of hashes.entries()) {
    if (isHole(index)) continue;
    chunk.push(index);
    const byContent = hash % 2n ** BigInt(zeroBits) === 0n && isHighest(index);
    if (!byContent && chunk.length < maxBlocks && !isHole(index + 1)) continue;
    cuts.push({ firstBlock: chunk[0] ?? 0, blocks: chunk.length });
    chunk = [];
  }
  return cuts;
}

t.test('chunks are as defined', (t) => {
  const random = new Random(testSeed(t));
  for (let round = 0; round < 40; round++) {
    const region = randomRegion(random, random.between(0, 1024));
    const settings = {
      seed: BigInt(random.below(2 ** 32)),
      zeroBits: random.below(7),
      window: random.chance(0.5) ? 0 : random.below(9),
      maxBlocks: random.between(1, 70),
    };
    const cuts = cutRegion(region, settings);
    t.same(cuts, naiveCuts(region, settings), `round ${round}`);
    t.same(cutRegion(Buffer.from(region), settings), cuts, 'the same again');
  }
  t.end();
});

t.test('every block that is not a hole is in one chunk; none is too long, none has a hole', (t) => {
  const random = new Random(testSeed(t));
  for (let round = 0; round < 20; round++) {
    const region = randomRegion(random, 1024);
    const covered: number[] = [];
    let longest = 0;
    for (const { firstBlock, blocks } of cutRegion(region, SETTINGS)) {
      longest = Math.max(longest, blocks);
      for (let block = firstBlock; block < firstBlock + blocks; block++) covered.push(block);
    }
    const data = [...Array(1024).keys()].filter((block) => !isZeroBlock(region, block * BLOCK_BYTES));
    t.same(covered, data);
    t.ok(longest <= SETTINGS.maxBlocks);
  }
  t.end();
});

t.test('a changed block moves no boundary but those around it', (t) => {
  const random = new Random(testSeed(t));
  const region = random.bytes(1024 * BLOCK_BYTES);
  const { window } = SETTINGS;
  const before = cutRegion(region, SETTINGS);
  for (let round = 0; round < 40; round++) {
    const changed = Buffer.from(region);
    const block = random.below(1024);
    changed.set(random.bytes(64), block * BLOCK_BYTES);
    const after = cutRegion(changed, SETTINGS);
    const endsFar = (cuts: readonly Cut[]): number[] =>
      cuts.map((cut) => cut.firstBlock + cut.blocks - 1).filter((last) => Math.abs(last - block) > window);
    t.same(endsFar(after), endsFar(before), `block ${block}`);
  }
  t.end();
});

t.test(
  'what a changed block lies in is shorter than with chunks cut by low hashes, of which there are as many',
  (t) => {
    const region = new Random(testSeed(t)).bytes(16 * 1024 * BLOCK_BYTES);
    const high = cutRegion(region, SETTINGS);
    const low = cutRegion(region, BY_LOW_HASHES);
    t.ok(Math.abs(high.length - low.length) < low.length / 5, `${high.length} and ${low.length} chunks`);
    const squares = (cuts: readonly Cut[]): number => cuts.reduce((sum, { blocks }) => sum + blocks ** 2, 0);
    t.ok(
      squares(high) < 0.7 * squares(low),
      `blocks of the chunk around a block: ${squares(high)} and ${squares(low)}`,
    );
    t.ok(
      high.slice(0, -1).every(({ blocks }) => blocks > SETTINGS.window),
      'none is short',
    );
    t.end();
  },
);

t.test('cut by low hashes, a changed block moves no boundary beyond the next cut that the content makes', (t) => {
  const random = new Random(testSeed(t));
  const region = random.bytes(1024 * BLOCK_BYTES);
  const before = cutRegion(region, BY_LOW_HASHES);
  for (let round = 0; round < 20; round++) {
    const changed = Buffer.from(region);
    const block = random.below(1024);
    changed.set(random.bytes(64), block * BLOCK_BYTES);
    const kept = cutRegion(changed, BY_LOW_HASHES).filter((cut) => before.some((other) => sameCut(cut, other)));
    t.ok(kept.length >= before.length - 8, `block ${block}: ${kept.length} of ${before.length} chunks are the same`);
    const behind = before.filter(({ firstBlock, blocks }) => firstBlock + blocks <= block - BY_LOW_HASHES.maxBlocks);
    t.ok(
      behind.every((cut) => kept.some((other) => sameCut(cut, other))),
      'nothing changes before it',
    );
  }
  t.end();
});

t.test('another seed cuts elsewhere', (t) => {
  const region = new Random(1).bytes(1024 * BLOCK_BYTES);
  const starts = new Set(cutRegion(region, SETTINGS).map(({ firstBlock }) => firstBlock));
  const others = cutRegion(region, { ...SETTINGS, seed: 1n });
  t.ok(others.filter(({ firstBlock }) => starts.has(firstBlock)).length < others.length / 2);
  t.end();
});

t.test('the edges', (t) => {
  t.same(cutRegion(Buffer.alloc(0), SETTINGS), []);
  t.same(cutRegion(Buffer.alloc(1024 * BLOCK_BYTES), SETTINGS), []);
  const last = Buffer.alloc(3 * BLOCK_BYTES);
  last[last.length - 1] = 1;
  t.same(cutRegion(last, SETTINGS), [{ firstBlock: 2, blocks: 1 }]);
  const first = Buffer.alloc(3 * BLOCK_BYTES);
  first[0] = 1;
  t.same(cutRegion(first, SETTINGS), [{ firstBlock: 0, blocks: 1 }]);
  t.same(
    cutRegion(Buffer.alloc(10 * BLOCK_BYTES, 1), { ...SETTINGS, zeroBits: 16, maxBlocks: 4 }).map(
      ({ blocks }) => blocks,
    ),
    [4, 4, 2],
  );
  t.end();
});

// Frozen with the store's format: should this fail, stores no longer share chunks with what they hold.
t.test('the cuts of a known region', (t) => {
  const cuts = (settings: CuttingSettings): string =>
    cutRegion(new Random(20261122).bytes(256 * BLOCK_BYTES), settings)
      .map(({ firstBlock }) => firstBlock)
      .join(' ');
  t.equal(cuts(SETTINGS), '0 11 19 28 40 49 63 75 84 101 115 129 151 174 187 196 204 213 221 230 238');
  t.equal(cuts(BY_LOW_HASHES), '0 11 22 26 29 93 118 123 142 153 163 170 195 205 215 216 217 220 244 245 254');
  t.end();
});

function sameCut(a: Cut, b: Cut): boolean {
  return a.firstBlock === b.firstBlock && a.blocks === b.blocks;
}
