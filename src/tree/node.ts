import { BLOCKS_PER_REGION, DIGEST_BYTES, FANOUT, NODE, REGION_BYTES } from '../codec/formats.js';
import { isEmptyDigest } from '../codec/digest.js';
import { UmbraError } from '../common/errors.js';

/** A chunk in its region. */
export interface ChunkRef {
  readonly firstBlock: number;
  readonly blocks: number;
  readonly digest: Uint8Array;
}

const LEAF_HEADER_BYTES = 4;
const LEAF_ENTRY_BYTES = 4 + DIGEST_BYTES;
const BITMAP_BYTES = FANOUT / 8;
const INNER_HEADER_BYTES = 4 + BITMAP_BYTES;

/** Regions in a volume of `sizeBytes`. */
export function regionCount(sizeBytes: number): number {
  return Math.ceil(sizeBytes / REGION_BYTES);
}

/** Levels of inner nodes above the leaves of a tree of `regions` regions: 0 for one region. */
export function treeHeight(regions: number): number {
  let height = 0;
  for (let reach = 1; reach < regions; reach *= FANOUT) height++;
  return height;
}

/** Regions below one node at `level` (0 is a leaf). */
export function regionsBelow(level: number): number {
  return FANOUT ** level;
}

/**
 * A leaf: `L`, version, number of chunks (u16), then first block (u16), blocks (u16) and digest of each,
 * in order; all numbers big-endian. Its digest is its name, so the layout is fixed.
 */
export function encodeLeaf(chunks: readonly ChunkRef[]): Buffer {
  const leaf = Buffer.allocUnsafe(LEAF_HEADER_BYTES + chunks.length * LEAF_ENTRY_BYTES);
  leaf[0] = NODE.leaf;
  leaf[1] = NODE.version;
  leaf.writeUInt16BE(chunks.length, 2);
  let at = LEAF_HEADER_BYTES;
  for (const chunk of chunks) {
    leaf.writeUInt16BE(chunk.firstBlock, at);
    leaf.writeUInt16BE(chunk.blocks, at + 2);
    leaf.set(chunk.digest, at + 4);
    at += LEAF_ENTRY_BYTES;
  }
  return leaf;
}

/**
 * The chunks of a leaf; digests are views on `bytes`.
 * @throws {UmbraError} STORE_DAMAGED
 */
export function decodeLeaf(bytes: Buffer): ChunkRef[] {
  const count = bytes.length >= LEAF_HEADER_BYTES ? bytes.readUInt16BE(2) : 0;
  if (
    bytes[0] !== NODE.leaf ||
    bytes[1] !== NODE.version ||
    bytes.length !== LEAF_HEADER_BYTES + count * LEAF_ENTRY_BYTES
  ) {
    throw malformed('leaf');
  }
  const chunks: ChunkRef[] = [];
  let end = 0;
  for (let at = LEAF_HEADER_BYTES; at < bytes.length; at += LEAF_ENTRY_BYTES) {
    const firstBlock = bytes.readUInt16BE(at);
    const blocks = bytes.readUInt16BE(at + 2);
    if (firstBlock < end || blocks === 0 || firstBlock + blocks > BLOCKS_PER_REGION) throw malformed('leaf');
    end = firstBlock + blocks;
    chunks.push({ firstBlock, blocks, digest: bytes.subarray(at + 4, at + LEAF_ENTRY_BYTES) });
  }
  return chunks;
}

/**
 * An inner node: `I`, version, level, zero, a bitmap of the children that are not empty (bit 0 of byte 0 is
 * child 0), and their digests.
 * @param children up to 256 digests; absent ones are empty
 */
export function encodeInner(level: number, children: readonly Uint8Array[]): Buffer {
  const present = children.filter((child) => !isEmptyDigest(child));
  const node = Buffer.alloc(INNER_HEADER_BYTES + present.length * DIGEST_BYTES);
  node[0] = NODE.inner;
  node[1] = NODE.version;
  node[2] = level;
  let at = INNER_HEADER_BYTES;
  for (const [index, child] of children.entries()) {
    if (isEmptyDigest(child)) continue;
    const byte = 4 + (index >>> 3);
    node[byte] = (node[byte] ?? 0) | (1 << (index & 7));
    node.set(child, at);
    at += DIGEST_BYTES;
  }
  return node;
}

/**
 * The children of an inner node by index, empty ones undefined; digests are views on `bytes`.
 * @throws {UmbraError} STORE_DAMAGED
 */
export function decodeInner(bytes: Buffer, level: number): (Uint8Array | undefined)[] {
  if (bytes.length < INNER_HEADER_BYTES || bytes[0] !== NODE.inner || bytes[1] !== NODE.version || bytes[2] !== level) {
    throw malformed('inner node');
  }
  const children: (Uint8Array | undefined)[] = [];
  let at = INNER_HEADER_BYTES;
  for (let index = 0; index < FANOUT; index++) {
    const present = ((bytes[4 + (index >>> 3)] ?? 0) & (1 << (index & 7))) !== 0;
    children.push(present ? bytes.subarray(at, at + DIGEST_BYTES) : undefined);
    if (present) at += DIGEST_BYTES;
  }
  if (at !== bytes.length) throw malformed('inner node');
  return children;
}

function malformed(what: string): UmbraError {
  return new UmbraError('STORE_DAMAGED', `a ${what} of a volume tree is malformed`, {
    hint: 'Run "umbra verify" to see what it concerns.',
  });
}
