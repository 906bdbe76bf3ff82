import { isBlockRight, type JournalSuperblock, revokedBy } from './format.js';
import type { JournalLog } from './log.js';
import type { ScannedLog } from './scan.js';
import type { TagList } from './tag-list.js';

const READ_BYTES = 1024 * 1024;

/** Blocks of the file system, and where what replaces each of them stands; sorted. */
export interface Replacements {
  readonly blocks: Float64Array;
  readonly positions: Float64Array;
  /** 1 for those whose first bytes are to be restored. */
  readonly escapes: Uint8Array;
  /** Blocks of the log with a wrong checksum, that are left out. */
  readonly damaged: number;
}

/** For each block the last transaction's that is neither revoked nor damaged, as jbd2's second and third pass have it. */
export async function selectBlocks(
  scanned: ScannedLog,
  log: JournalLog,
  journal: JournalSuperblock,
): Promise<Replacements> {
  const { tags } = scanned;
  const order = orderOf(tags);
  const usable = new Uint8Array(tags.length).fill(1);
  await applyRevokes(scanned, order, usable, log, journal);
  let latest = latestOf(tags, order, usable);
  if (journal.checksumVersion === 0) return pack(tags, latest, 0);
  const wrong = await dropWrong(tags, latest, usable, log, journal);
  if (wrong === 0) return pack(tags, latest, 0);
  // An earlier one may take the place of a damaged one: then all of them have to be known.
  const all = order.filter((tag) => usable[tag] === 1);
  const others = await dropWrong(tags, all, usable, log, journal);
  latest = latestOf(tags, order, usable);
  return pack(tags, latest, wrong + others);
}

/** All tags by block, those of one block in the order of the log. */
function orderOf({ blocks, length }: TagList): Uint32Array {
  const order = Uint32Array.from({ length }, (_, index) => index);
  return order.sort((a, b) => (blocks[a] ?? 0) - (blocks[b] ?? 0) || a - b);
}

/**
 * Only blocks that the log holds are looked for: what is remembered of revokes has a bound, the last one of each block.
 * Their tags are gone through once, however often a block is revoked.
 */
async function applyRevokes(
  { tags, revokes }: ScannedLog,
  order: Uint32Array,
  usable: Uint8Array,
  log: JournalLog,
  journal: JournalSuperblock,
): Promise<void> {
  /** By the place in `order` of the block's first tag: whether it is revoked, and by which sequence last. */
  const isRevoked = new Uint8Array(order.length);
  const last = new Uint32Array(order.length);
  for (const { block: number, sequence } of revokes) {
    for (const block of revokedBy(await log.read(number), journal)) {
      const first = firstOf(tags, order, block);
      if (first >= order.length || tags.blocks[order[first] ?? 0] !== block) continue;
      if (isRevoked[first] === 1 && !isAfter(sequence, last[first] ?? 0)) continue;
      isRevoked[first] = 1;
      last[first] = sequence;
    }
  }
  let first = 0;
  for (const [at, tag] of order.entries()) {
    if (tags.blocks[tag] !== tags.blocks[order[first] ?? 0]) first = at;
    if (isRevoked[first] === 1 && !isAfter(tags.sequences[tag] ?? 0, last[first] ?? 0)) usable[tag] = 0;
  }
}

/** Sequences are numbers modulo 2^32. */
function isAfter(a: number, b: number): boolean {
  return ((a - b) | 0) > 0;
}

function firstOf({ blocks }: TagList, order: Uint32Array, block: number): number {
  let low = 0;
  let high = order.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((blocks[order[middle] ?? 0] ?? 0) < block) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The last usable tag of each block. */
function latestOf({ blocks }: TagList, order: Uint32Array, usable: Uint8Array): Uint32Array {
  const usables = order.filter((tag) => usable[tag] === 1);
  return usables.filter((tag, index) => {
    const next = usables[index + 1];
    return next === undefined || blocks[next] !== blocks[tag];
  });
}

/** Look at the checksums of some tags' blocks; those that are wrong are not usable. @returns how many they are */
async function dropWrong(
  tags: TagList,
  some: Uint32Array,
  usable: Uint8Array,
  log: JournalLog,
  journal: JournalSuperblock,
): Promise<number> {
  const { positions } = tags;
  const inOrder = some.slice().sort((a, b) => (positions[a] ?? 0) - (positions[b] ?? 0));
  const most = Math.floor(READ_BYTES / log.blockBytes);
  let wrong = 0;
  for (let at = 0; at < inOrder.length;) {
    const first = positions[inOrder[at] ?? 0] ?? 0;
    let end = at + 1;
    while (end < inOrder.length && (positions[inOrder[end] ?? 0] ?? 0) - first < most) end++;
    const count = (positions[inOrder[end - 1] ?? 0] ?? 0) - first + 1;
    const bytes = await log.readPhysical(first, count);
    for (; at < end; at++) {
      const tag = inOrder[at] ?? 0;
      const from = ((positions[tag] ?? 0) - first) * log.blockBytes;
      const block = bytes.subarray(from, from + log.blockBytes);
      if (isBlockRight(block, tags.sequences[tag] ?? 0, tags.checksums[tag] ?? 0, journal)) continue;
      usable[tag] = 0;
      wrong++;
    }
  }
  return wrong;
}

function pack({ blocks, positions, escapes }: TagList, latest: Uint32Array, damaged: number): Replacements {
  return {
    blocks: Float64Array.from(latest, (tag) => blocks[tag] ?? 0),
    positions: Float64Array.from(latest, (tag) => positions[tag] ?? 0),
    escapes: Uint8Array.from(latest, (tag) => escapes[tag] ?? 0),
    damaged,
  };
}
