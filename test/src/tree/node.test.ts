import t from 'tap';
import { digestOf, EMPTY_DIGEST, toHex } from '../../../src/codec/digest.js';
import { isUmbraError } from '../../../src/common/errors.js';
import {
  decodeInner,
  decodeLeaf,
  encodeInner,
  encodeLeaf,
  regionCount,
  regionsBelow,
  treeHeight,
  type ChunkRef,
} from '../../../src/tree/node.js';
import { leafDigest } from '../../kit/memory-nodes.js';
import { Random, testSeed } from '../../kit/random.js';

const MIB = 1024 * 1024;

function randomChunks(random: Random): ChunkRef[] {
  const chunks: ChunkRef[] = [];
  for (let block = random.below(50); block < 1024;) {
    const blocks = Math.min(random.between(1, 64), 1024 - block);
    chunks.push({ firstBlock: block, blocks, digest: Buffer.from(random.bytes(32)) });
    block += blocks + (random.chance(0.5) ? 0 : random.below(100));
  }
  return chunks;
}

function randomChildren(random: Random): Uint8Array[] {
  const share = random.fraction();
  return Array.from({ length: random.between(1, 256) }, () => (random.chance(share) ? random.bytes(32) : EMPTY_DIGEST));
}

/** Fails unless `decode` returns or throws STORE_DAMAGED; says whether it returned. */
function accepts(decode: () => unknown): boolean {
  try {
    decode();
    return true;
  } catch (error) {
    if (isUmbraError(error, 'STORE_DAMAGED')) return false;
    throw error;
  }
}

t.test('sizes of trees', (t) => {
  for (const [bytes, regions] of [
    [0, 0],
    [1, 1],
    [4 * MIB, 1],
    [4 * MIB + 1, 2],
    [2 ** 50, 2 ** 28],
  ] as const) {
    t.equal(regionCount(bytes), regions, `${bytes} bytes`);
  }
  for (const [regions, height] of [
    [0, 0],
    [1, 0],
    [2, 1],
    [256, 1],
    [257, 2],
    [65536, 2],
    [65537, 3],
    [2 ** 24, 3],
  ] as const) {
    t.equal(treeHeight(regions), height, `${regions} regions`);
  }
  t.same([0, 1, 2, 3].map(regionsBelow), [1, 256, 65536, 2 ** 24]);
  t.end();
});

t.test('leaves come back, with chunks side by side and with holes between them', (t) => {
  const random = new Random(testSeed(t));
  for (let round = 0; round < 50; round++) {
    const chunks = randomChunks(random);
    t.same(decodeLeaf(encodeLeaf(chunks)), chunks);
  }
  const most = Array.from({ length: 1024 }, (_, firstBlock) => ({
    firstBlock,
    blocks: 1,
    digest: Buffer.from(leafDigest(firstBlock)),
  }));
  t.same(decodeLeaf(encodeLeaf(most)), most);
  t.same(decodeLeaf(encodeLeaf([])), []);
  t.end();
});

t.test('inner nodes come back, empty children undefined', (t) => {
  const random = new Random(testSeed(t));
  for (let round = 0; round < 50; round++) {
    const children = randomChildren(random);
    const level = random.between(1, 6);
    const decoded = decodeInner(encodeInner(level, children), level);
    t.equal(decoded.length, 256);
    t.same(
      decoded.map((child) => toHex(child ?? EMPTY_DIGEST)),
      Array.from({ length: 256 }, (_, index) => toHex(children[index] ?? EMPTY_DIGEST)),
    );
  }
  t.end();
});

// Nodes are named by the digest of these bytes: another layout would store every tree anew.
t.test('the layout is frozen', (t) => {
  const leaf = encodeLeaf([
    { firstBlock: 0, blocks: 64, digest: Buffer.alloc(32, 0xaa) },
    { firstBlock: 1000, blocks: 24, digest: Buffer.alloc(32, 0xbb) },
  ]);
  t.equal(toHex(leaf), `4c01000200000040${'aa'.repeat(32)}03e80018${'bb'.repeat(32)}`);
  const inner = encodeInner(2, [
    EMPTY_DIGEST,
    Buffer.alloc(32, 0xcc),
    ...Array<Uint8Array>(8).fill(EMPTY_DIGEST),
    Buffer.alloc(32, 0xdd),
  ]);
  t.equal(toHex(inner), `490102000204${'00'.repeat(30)}${'cc'.repeat(32)}${'dd'.repeat(32)}`);
  t.equal(toHex(digestOf(inner)).length, 64);
  t.end();
});

t.test('a leaf with chunks out of order, overlapping, empty or outside of the region is refused', (t) => {
  const digest = leafDigest(1);
  const refused = (...chunks: [firstBlock: number, blocks: number][]): void => {
    const leaf = encodeLeaf(chunks.map(([firstBlock, blocks]) => ({ firstBlock, blocks, digest })));
    t.throws(() => decodeLeaf(leaf), { code: 'STORE_DAMAGED' }, JSON.stringify(chunks));
  };
  refused([0, 0]);
  refused([0, 1025]);
  refused([1023, 2]);
  refused([1024, 1]);
  refused([65535, 65535]);
  refused([10, 5], [14, 1]);
  refused([10, 5], [0, 5]);
  refused([10, 5], [10, 5]);
  t.end();
});

t.test('a node of another kind, level or version is refused', (t) => {
  const leaf = encodeLeaf([{ firstBlock: 0, blocks: 1, digest: leafDigest(1) }]);
  const inner = encodeInner(1, [leafDigest(1)]);
  t.throws(() => decodeInner(inner, 2), { code: 'STORE_DAMAGED' });
  t.throws(() => decodeInner(leaf, 1), { code: 'STORE_DAMAGED' });
  t.throws(() => decodeLeaf(inner), { code: 'STORE_DAMAGED' });
  for (const node of [leaf, inner]) node[1] = 2;
  t.throws(() => decodeLeaf(leaf), { code: 'STORE_DAMAGED' });
  t.throws(() => decodeInner(inner, 1), { code: 'STORE_DAMAGED' });
  t.end();
});

t.test('truncated, lengthened and random nodes are refused, never with another error', (t) => {
  const random = new Random(testSeed(t));
  const leaf = encodeLeaf(randomChunks(random));
  const inner = encodeInner(1, randomChildren(random));
  for (let length = 0; length < leaf.length; length++)
    if (accepts(() => decodeLeaf(leaf.subarray(0, length)))) t.fail(`leaf of ${length}`);
  for (let length = 0; length < inner.length; length++) {
    if (accepts(() => decodeInner(inner.subarray(0, length), 1))) t.fail(`inner node of ${length}`);
  }
  t.notOk(accepts(() => decodeLeaf(Buffer.concat([leaf, Buffer.alloc(1)]))));
  t.notOk(accepts(() => decodeInner(Buffer.concat([inner, Buffer.alloc(32)]), 1)));
  for (let round = 0; round < 2000; round++) {
    const node = round % 2 === 0 ? random.bytes(random.below(400)) : Buffer.from(random.chance(0.5) ? leaf : inner);
    if (node.length > 3) node[random.below(Math.min(node.length, 60))] = random.below(256);
    if (round % 4 === 0 && node.length > 2) node.set([random.chance(0.5) ? 0x4c : 0x49, 1, 1]);
    accepts(() => decodeLeaf(node));
    accepts(() => decodeInner(node, 1));
  }
  t.pass('no other error');
  t.end();
});
