import { KeyType } from './layout.js';
import { damaged, u64 } from './numbers.js';
import { tooLong } from './overlay-tree.js';
import type { ReplayLinks } from './replay-links.js';
import type { Item } from './item-tree.js';

const NBYTES_AT = 24;
const TYPE_AT = 20;
const LOGICAL_AT = 21;
const OFFSET_AT = 37;
const LENGTH_AT = 45;
const EXTENT_BYTES = 53;
const INLINE_HEAD_BYTES = 21;
const INLINE = 0;
/** Each of them becomes a change, of which there can't be more. */
const MAX_OVERLAPPING = 200_000;

/** A file extent item of the log or the subvolume. */
interface Stretch {
  readonly start: number;
  readonly end: number;
  readonly isInline: boolean;
  /** False for a hole. */
  readonly isStored: boolean;
}

/** What is needed to replay the extents of files. */
export interface ExtentReplay {
  readonly links: ReplayLinks;
  readonly sectorBytes: number;
  readonly noHoles: boolean;
}

/** Put a file extent of the log in the place of what the file had there (replay_one_extent). */
export async function replayExtent(replay: ExtentReplay, item: Item): Promise<void> {
  const { links, sectorBytes, noHoles } = replay;
  const stretch = stretchOf(item);
  const known = await links.tree.find(item);
  if (!stretch.isInline && known?.data.equals(item.data) === true) return;
  const end = stretch.isInline ? Math.ceil(stretch.end / sectorBytes) * sectorBytes : stretch.end;
  const dropped = await dropExtents(replay, item.objectId, stretch.start, end);
  if (stretch.isStored || !noHoles) links.tree.set(item, Buffer.from(item.data));
  await addBytes(links, item.objectId, (stretch.isStored ? stretch.end - stretch.start : 0) - dropped);
}

/** Cut a file's extents off behind its size (replay_one_buffer). */
export async function truncateExtents(replay: ExtentReplay, inode: number): Promise<void> {
  const bytes = await replay.links.inode(inode);
  if (bytes === undefined) return;
  const from = Math.ceil(u64(bytes, 16) / replay.sectorBytes) * replay.sectorBytes;
  await addBytes(replay.links, inode, -(await dropExtents(replay, inode, from, Number.MAX_SAFE_INTEGER)));
}

async function addBytes(links: ReplayLinks, inode: number, by: number): Promise<void> {
  await links.edit(inode, (bytes) => {
    bytes.writeBigUInt64LE(BigInt(Math.max(0, u64(bytes, NBYTES_AT) + by)), NBYTES_AT);
  });
}

/**
 * Take away what a file has in a range; what reaches out of it is cut (btrfs_drop_extents).
 * @returns how many bytes of what counts as taken were taken away
 */
async function dropExtents(
  { links: { tree }, sectorBytes }: ExtentReplay,
  inode: number,
  start: number,
  end: number,
): Promise<number> {
  const type = KeyType.extentData;
  const first = await tree.floor({ objectId: inode, type, offset: start });
  const reaching = first?.objectId === inode && first.type === type ? [first] : [];
  const overlapping: Item[] = [...reaching];
  const from = { objectId: inode, type, offset: start + 1 };
  for await (const items of tree.batches(from, { objectId: inode, type, offset: end - 1 })) {
    overlapping.push(...items);
    if (overlapping.length > MAX_OVERLAPPING) throw tooLong();
  }
  let dropped = 0;
  for (const item of overlapping) {
    const stretch = stretchOf(item);
    const last = stretch.isInline ? Math.ceil(stretch.end / sectorBytes) * sectorBytes : stretch.end;
    if (last <= start) continue;
    if (stretch.isInline && (start > stretch.start || end < last)) throw damaged('the log cuts an inline extent');
    const taken = Math.min(end, stretch.end) - Math.max(start, stretch.start);
    if (stretch.isStored) dropped += taken;
    tree.delete(item);
    if (stretch.start < start) tree.set(item, cut(item, stretch.start, start));
    if (stretch.end > end && !stretch.isInline)
      tree.set({ objectId: inode, type, offset: end }, cut(item, end, stretch.end));
  }
  return dropped;
}

/** The part of an extent between two offsets of the file. */
function cut({ offset, data }: Item, start: number, end: number): Buffer {
  const bytes = Buffer.from(data);
  const isHole = u64(bytes, LOGICAL_AT) === 0;
  if (!isHole) bytes.writeBigUInt64LE(BigInt(u64(bytes, OFFSET_AT) + start - offset), OFFSET_AT);
  bytes.writeBigUInt64LE(BigInt(end - start), LENGTH_AT);
  return bytes;
}

function stretchOf({ offset, data }: Item): Stretch {
  if (data.length < INLINE_HEAD_BYTES) throw damaged('a file extent is cut off');
  const isInline = data.readUInt8(TYPE_AT) === INLINE;
  if (!isInline && data.length < EXTENT_BYTES) throw damaged('a file extent is cut off');
  const length = u64(data, isInline ? 8 : LENGTH_AT);
  const end = offset + length;
  if (offset < 0 || !Number.isSafeInteger(end)) throw damaged('a file extent makes no sense');
  return { start: offset, end, isInline, isStored: isInline || u64(data, LOGICAL_AT) !== 0 };
}
