import { AttributeType } from './attribute.js';
import type { NtfsCore } from './core.js';
import type { IndexNode } from './index-node.js';
import { IndexTree, type Position } from './index-tree.js';
import { Inode } from './inode.js';
import { Lru } from '../lru.js';
import { SystemFile } from './mft.js';
import { damaged, part, readSize } from './parse.js';
import { readPart, type Stream, streamOf } from './stream.js';

const ID_INDEX = '$SII';
const DESCRIPTORS_STREAM = '$SDS';
/** Each 256 KiB of descriptors are followed by a copy of them. */
const COPY_DISTANCE_BYTES = 256 * 1024;
const HEADER_BYTES = 20;
export const MAX_DESCRIPTOR_BYTES = 64 * 1024;
const KEPT_DESCRIPTORS = 64;
const KEPT_BYTES = 4096;
const LOCATION_BYTES = 20;

/** The security descriptors of a volume's files, each kept once in `$Secure` and named by a number. */
export class SecurityDescriptors {
  readonly #core: NtfsCore;
  readonly #kept = new Lru<number, Buffer>(KEPT_DESCRIPTORS);
  #opened: { index: IndexTree; descriptors: Stream } | undefined;

  constructor(core: NtfsCore) {
    this.#core = core;
  }

  /**
   * The descriptor of that number, in its self-relative form; undefined if there is none.
   * @throws {UmbraError} FILESYSTEM_DAMAGED
   */
  async get(id: number): Promise<Buffer | undefined> {
    return this.#kept.get(id) ?? (await this.#load(id));
  }

  async #load(id: number): Promise<Buffer | undefined> {
    const { index, descriptors } = (this.#opened ??= await open(this.#core));
    const search = new IdSearch(id);
    await index.search((node) => search.visit(node));
    if (search.found === undefined) return undefined;
    const { offset, length } = search.found;
    const descriptor =
      (await this.#read(descriptors, id, offset, length)) ??
      (await this.#read(descriptors, id, offset + COPY_DISTANCE_BYTES, length));
    if (descriptor === undefined) throw damaged(`security descriptor ${id} is damaged, and so is its copy`);
    return descriptor.length > KEPT_BYTES ? descriptor : this.#kept.set(id, descriptor);
  }

  /** Undefined if it is not what it should be. */
  async #read(descriptors: Stream, id: number, offset: number, length: number): Promise<Buffer | undefined> {
    if (length < HEADER_BYTES || length > MAX_DESCRIPTOR_BYTES) return undefined;
    if (offset + length > descriptors.initializedBytes) return undefined;
    const bytes = await readPart(this.#core, descriptors, offset, length);
    const descriptor = Buffer.from(bytes.subarray(HEADER_BYTES));
    const whole =
      bytes.readUInt32LE(4) === id && bytes.readUInt32LE(16) === length && bytes.readUInt32LE(0) === hashOf(descriptor);
    return whole ? descriptor : undefined;
  }
}

async function open(core: NtfsCore): Promise<{ index: IndexTree; descriptors: Stream }> {
  const inode = await Inode.loadRecord(core, SystemFile.SECURE);
  const index = await IndexTree.open(core, inode, ID_INDEX);
  return { index, descriptors: streamOf(core, await inode.parts(AttributeType.DATA, DESCRIPTORS_STREAM)) };
}

/** The hash that `$Secure` keeps of a descriptor. */
function hashOf(descriptor: Buffer): number {
  let hash = 0;
  for (let at = 0; at + 4 <= descriptor.length; at += 4) {
    hash = (descriptor.readUInt32LE(at) + ((hash << 3) | (hash >>> 29))) >>> 0;
  }
  return hash;
}

/** One way down the index of numbers. */
class IdSearch {
  readonly #id: number;
  found: { offset: number; length: number } | undefined;

  constructor(id: number) {
    this.#id = id;
  }

  visit(node: IndexNode): Position {
    let low = 0;
    for (let high = node.keys; low < high;) {
      const middle = (low + high) >>> 1;
      if (keyOf(node, middle) < this.#id) low = middle + 1;
      else high = middle;
    }
    const exact = low < node.keys && keyOf(node, low) === this.#id;
    if (exact) this.found = locationIn(node, low);
    return { index: low, exact };
  }
}

function keyOf(node: IndexNode, index: number): number {
  if (node.keyLength(index) < 4) throw damaged('an index of security descriptors makes no sense');
  return node.bytes.readUInt32LE(node.keyAt(index));
}

/** The data of an entry: hash, number, place in the stream, length. */
function locationIn(node: IndexNode, index: number): { offset: number; length: number } {
  const at = node.entryAt(index) + node.bytes.readUInt16LE(node.entryAt(index));
  const data = part(node.bytes, at, LOCATION_BYTES, 'an index of security descriptors');
  return { offset: readSize(data, 8), length: data.readUInt32LE(16) };
}
