import { crc32c } from '@node-rs/crc32';
import { UmbraError } from '../../../src/common/errors.js';
import { BlockMap } from '../map/block-map.js';
import type { Probe } from '../probe.js';

const BLOCK_BYTES = 4096;
const MAGIC = 27_022_010n;
const SUPERBLOCK_XOR = 160_774;
const NODE_XOR = 121_107;
const NODE_HEADER_BYTES = 32;
const INTERNAL = 1;
const LEAF = 2;
const MAX_DEPTH = 16;
/** 16 GiB, the most that the kernel uses, are as many blocks; a pool has them all only at 1 billion mappings. */
const MAX_NODES = 4_194_304;
/** The lower bits of a mapping say when it was made. */
const TIME_BITS = 24n;

/** The superblock of a thin pool's metadata (drivers/md/dm-thin-metadata.c). */
export interface ThinPool {
  readonly blockBytes: number;
  readonly mappingRoot: number;
}

/** @throws {UmbraError} FILESYSTEM_DAMAGED */
export async function readThinPool(metadata: Probe): Promise<ThinPool> {
  const block = await readBlock(metadata, 0, SUPERBLOCK_XOR);
  if (block.readBigUInt64LE(32) !== MAGIC) throw damaged('its superblock is gone');
  const blockBytes = block.readUInt32LE(336) * 512;
  if (blockBytes === 0) throw damaged('its blocks have no size');
  return { blockBytes, mappingRoot: Number(block.readBigUInt64LE(320)) };
}

/**
 * Where the blocks of one volume of the pool stand; undefined if it has no such volume.
 * @param blocks that the pool has for data
 * @throws {UmbraError} FILESYSTEM_DAMAGED, FILESYSTEM_UNREADABLE
 */
export async function readThinMap(
  metadata: Probe,
  pool: ThinPool,
  deviceId: number,
  blocks: number,
): Promise<BlockMap | undefined> {
  let root: number | undefined;
  for await (const [key, value] of entriesOf(metadata, pool.mappingRoot)) {
    if (key === BigInt(deviceId)) root = Number(value);
  }
  if (root === undefined) return undefined;
  const map = new BlockMap();
  for await (const [key, value] of entriesOf(metadata, root)) {
    const block = Number(value >> TIME_BITS);
    if (block >= blocks || key > Number.MAX_SAFE_INTEGER) throw damaged('a block lies outside of the pool');
    map.add(Number(key), block);
  }
  return map;
}

interface Node {
  readonly block: Buffer;
  readonly count: number;
  readonly maxCount: number;
  /** The next child to visit. */
  next: number;
}

/** All entries of a B-tree, in order (drivers/md/persistent-data/dm-btree-internal.h). */
async function* entriesOf(metadata: Probe, root: number): AsyncGenerator<readonly [key: bigint, value: bigint]> {
  const path = [await readNode(metadata, root)];
  let [last, visited] = [-1n, 0];
  for (let node = path.at(-1); node !== undefined; node = path.at(-1)) {
    if (isLeaf(node)) {
      for (let index = 0; index < node.count; index++) {
        const key = keyAt(node, index);
        if (key <= last) throw damaged('the keys of a tree are not in order');
        last = key;
        yield [key, valueAt(node, index)];
      }
      path.pop();
    } else if (node.next < node.count) {
      if (path.length >= MAX_DEPTH || ++visited > MAX_NODES) throw damaged('a tree has no end');
      if (keyAt(node, node.next) <= last) throw damaged('the keys of a tree are not in order');
      path.push(await readNode(metadata, Number(valueAt(node, node.next++))));
    } else path.pop();
  }
}

async function readNode(metadata: Probe, number: number): Promise<Node> {
  const block = await readBlock(metadata, number, NODE_XOR);
  const [flags, count, maxCount] = [block.readUInt32LE(4), block.readUInt32LE(16), block.readUInt32LE(20)];
  const fits = count <= maxCount && NODE_HEADER_BYTES + maxCount * 16 <= BLOCK_BYTES;
  if (!fits || block.readUInt32LE(24) !== 8 || (flags !== INTERNAL && flags !== LEAF))
    throw damaged('a node makes no sense');
  return { block, count, maxCount, next: 0 };
}

function isLeaf({ block }: Node): boolean {
  return block.readUInt32LE(4) === LEAF;
}

function keyAt({ block }: Node, index: number): bigint {
  return block.readBigUInt64LE(NODE_HEADER_BYTES + index * 8);
}

function valueAt({ block, maxCount }: Node, index: number): bigint {
  return block.readBigUInt64LE(NODE_HEADER_BYTES + (maxCount + index) * 8);
}

/** A block whose checksum and number are right. */
async function readBlock(metadata: Probe, number: number, xor: number): Promise<Buffer> {
  const block = await metadata.at(number * BLOCK_BYTES, BLOCK_BYTES);
  if (block === undefined) throw damaged('a block of its metadata lies outside');
  const checksum = (~crc32c(block.subarray(4)) ^ xor) >>> 0;
  if (block.readUInt32LE(0) !== checksum) throw damaged('a checksum of its metadata is wrong');
  if (block.readBigUInt64LE(8) !== BigInt(number)) throw damaged('a block of its metadata stands in the wrong place');
  return block;
}

function damaged(why: string): UmbraError {
  return new UmbraError('FILESYSTEM_DAMAGED', `a thin pool is damaged: ${why}`);
}
