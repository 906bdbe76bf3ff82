import { Budget } from '../../blocks/budget.js';
import { isIndexRight, NODE_ENTRIES_AT, rootEntriesAt } from './directory-block.js';

const ENTRY_BYTES = 8;
const BLOCK_MASK = 0x0fffffff;
const ROOT_INFO_BYTES = 8;
/** Hashes that end in 1 say that the block goes on with the names of the hash before it. */
const CONTINUED = 1;

/** What an index is read with. */
export interface IndexAccess {
  /** A block of the directory by its number; undefined if there is none, or it is damaged. */
  block(number: number): Promise<Buffer | undefined>;
  /** Where checksums start; undefined if there are none. */
  readonly checksumSeed: number | undefined;
  readonly blocks: number;
  readonly maxLevels: number;
}

interface Node {
  readonly block: Buffer;
  readonly entriesAt: number;
  readonly count: number;
}

/** A node and the entry of it that was followed. */
interface Step {
  readonly node: Node;
  index: number;
}

/** The first block of an indexed directory. */
export interface IndexRoot {
  readonly hashVersion: number;
  readonly levels: number;
  readonly node: Node;
}

/** The root of an index; undefined if it is broken, as dx_probe() has it: who sees that looks at all blocks. */
export function parseRoot(block: Buffer | undefined, access: IndexAccess): IndexRoot | undefined {
  if (block?.readUInt32LE(24) !== 0 || block[29] !== ROOT_INFO_BYTES) return undefined;
  const levels = block.readUInt8(30);
  const node = parseNode(block, rootEntriesAt(block), access);
  if (node === undefined || levels > access.maxLevels || (block.readUInt8(31) & 1) !== 0) return undefined;
  return { hashVersion: block.readUInt8(28), levels, node };
}

/**
 * The numbers of the blocks that hold the names of a hash: one as a rule.
 * @returns false at the end if the index is broken
 */
export async function* leavesOf(root: IndexRoot, hash: number, access: IndexAccess): AsyncGenerator<number, boolean> {
  const budget = new Budget(access.blocks, 'blocks of a directory for one hash');
  const path: Step[] = [{ node: root.node, index: indexOf(root.node, hash) }];
  do {
    budget.spend();
    if (!(await descend(path, root.levels, hash, access))) return false;
    const last = path.at(-1);
    if (last === undefined) return false;
    yield blockOf(last.node, last.index);
  } while (next(path, hash));
  return true;
}

/** Go down from the last step of `path` to the lowest level. */
async function descend(path: Step[], levels: number, hash: number, access: IndexAccess): Promise<boolean> {
  for (let last = path.at(-1); last !== undefined && path.length <= levels; last = path.at(-1)) {
    const block = await access.block(blockOf(last.node, last.index));
    const node = block === undefined ? undefined : parseNode(block, NODE_ENTRIES_AT, access);
    if (node === undefined) return false;
    path.push({ node, index: indexOf(node, hash) });
  }
  return true;
}

/** On to the next entry, if it goes on with the same hash. */
function next(path: Step[], hash: number): boolean {
  for (let last = path.at(-1); last !== undefined; last = path.at(-1)) {
    last.index++;
    if (last.index < last.node.count) return hashAt(last.node, last.index) === (hash | CONTINUED) >>> 0;
    path.pop();
  }
  return false;
}

function parseNode(block: Buffer, entriesAt: number, access: IndexAccess): Node | undefined {
  if (entriesAt + ENTRY_BYTES > block.length) return undefined;
  const limit = block.readUInt16LE(entriesAt);
  const count = block.readUInt16LE(entriesAt + 2);
  if (count === 0 || count > limit || entriesAt + limit * ENTRY_BYTES > block.length) return undefined;
  if (access.checksumSeed !== undefined && !isIndexRight(block, entriesAt, access.checksumSeed)) return undefined;
  return { block, entriesAt, count };
}

/** The last entry whose hash is not above `hash`; the first one has none, and stands for all below the second. */
function indexOf(node: Node, hash: number): number {
  let low = 1;
  let high = node.count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (hashAt(node, middle) <= hash) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function hashAt({ block, entriesAt }: Node, index: number): number {
  return block.readUInt32LE(entriesAt + index * ENTRY_BYTES);
}

function blockOf({ block, entriesAt }: Node, index: number): number {
  return block.readUInt32LE(entriesAt + index * ENTRY_BYTES + 4) & BLOCK_MASK;
}
