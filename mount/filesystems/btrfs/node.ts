import type { Checksum } from './checksum.js';
import { compareStored } from './key.js';
import { HEADER_BYTES, ITEM_BYTES, MAX_LEVEL, POINTER_BYTES } from './layout.js';
import type { TreeRoot } from './superblock.js';

/** What a tree block must agree with. */
export interface NodeRules {
  readonly checksum: Checksum;
  /** Tree blocks carry one of these: the file system's, or that of a seed that it grew out of. */
  readonly uuids: readonly Buffer[];
}

/**
 * What is wrong with a tree block that a pointer leads to, in words; undefined if nothing is. After this its keys are
 * in order and all its items lie in it.
 */
export function nodeProblem(bytes: Buffer, pointer: TreeRoot, { checksum, uuids }: NodeRules): string | undefined {
  if (!checksum.matches(bytes.subarray(32), bytes, 0)) return 'has a wrong checksum';
  if (bytes.readBigUInt64LE(0x30) !== BigInt(pointer.logical)) return 'is another block';
  if (!uuids.some((uuid) => bytes.compare(uuid, 0, 16, 0x20, 0x30) === 0)) return 'is of another file system';
  if (bytes.readBigUInt64LE(0x50) !== BigInt(pointer.generation)) return 'is of another generation';
  if (nodeLevel(bytes) !== pointer.level || pointer.level > MAX_LEVEL) return 'is of another level';
  const stride = strideOf(bytes);
  const count = bytes.readUInt32LE(0x60);
  if (count > Math.floor((bytes.length - HEADER_BYTES) / stride)) return 'has too many items';
  if (count === 0 && pointer.level > 0) return 'is empty';
  for (let at = HEADER_BYTES; at < HEADER_BYTES + (count - 1) * stride; at += stride) {
    if (compareStored(bytes, at, bytes, at + stride) >= 0) return 'has keys out of order';
  }
  return pointer.level === 0 ? itemsProblem(bytes, count) : undefined;
}

function itemsProblem(bytes: Buffer, count: number): string | undefined {
  const least = count * ITEM_BYTES;
  const most = bytes.length - HEADER_BYTES;
  for (let slot = 0; slot < count; slot++) {
    const at = HEADER_BYTES + slot * ITEM_BYTES;
    const offset = bytes.readUInt32LE(at + 17);
    const size = bytes.readUInt32LE(at + 21);
    if (offset < least || offset + size > most) return 'has items that overlap or lie outside';
  }
  return undefined;
}

export function nodeLevel(node: Buffer): number {
  return node[0x64] ?? 0;
}

export function nodeCount(node: Buffer): number {
  return node.readUInt32LE(0x60);
}

function strideOf(node: Buffer): number {
  return nodeLevel(node) === 0 ? ITEM_BYTES : POINTER_BYTES;
}

/** Where the key of a slot stands. */
export function keyAt(node: Buffer, slot: number): number {
  return HEADER_BYTES + slot * strideOf(node);
}

/** The content of a leaf's item. */
export function itemData(leaf: Buffer, slot: number): Buffer {
  const at = HEADER_BYTES + slot * ITEM_BYTES;
  const start = HEADER_BYTES + leaf.readUInt32LE(at + 17);
  return leaf.subarray(start, start + leaf.readUInt32LE(at + 21));
}
