import { UmbraError } from '../../../src/common/errors.js';
import type { ByteSource } from '../../blocks/byte-source.js';
import { BlockMap } from '../map/block-map.js';
import type { Probe } from '../probe.js';

const MAGIC = 0x70416e53;
const EXCEPTION_BYTES = 16;
const MAX_CHUNK_BYTES = 1024 * 1024;

/**
 * A snapshot of the old kind: the chunks that differ from the origin stand in a store, in the order in which they were
 * copied there, each area of them behind a list (drivers/md/dm-snap-persistent.c).
 * @throws {UmbraError} FILESYSTEM_DAMAGED; FILESYSTEM_UNREADABLE when its store ran full
 */
export async function readSnapshot(store: Probe, origin: ByteSource): Promise<ByteSource> {
  const header = await store.at(0, EXCEPTION_BYTES);
  if (header?.readUInt32LE(0) !== MAGIC) throw damaged('its header is gone');
  const chunkBytes = header.readUInt32LE(12) * 512;
  if (header.readUInt32LE(8) !== 1 || chunkBytes === 0 || chunkBytes > MAX_CHUNK_BYTES)
    throw damaged('its header makes no sense');
  if (header.readUInt32LE(4) === 0) {
    throw new UmbraError('FILESYSTEM_UNREADABLE', 'a snapshot that is no longer valid: its store ran full', {
      hint: 'What it would show was lost in the machine itself. Its origin is shown beside it.',
    });
  }
  const map = new BlockMap();
  const exceptions = await readExceptions(store, chunkBytes);
  for (const [chunk, target] of [...exceptions].sort(([a], [b]) => a - b)) map.add(chunk, target);
  return map.over(store.source, chunkBytes, origin.sizeBytes, origin);
}

async function readExceptions(store: Probe, chunkBytes: number): Promise<Map<number, number>> {
  const exceptions = new Map<number, number>();
  const perArea = Math.floor(chunkBytes / EXCEPTION_BYTES);
  const chunks = Math.floor(store.sizeBytes / chunkBytes);
  for (let area = 1; area < chunks; area += perArea + 1) {
    const list = await store.at(area * chunkBytes, chunkBytes);
    if (list === undefined) break;
    for (let index = 0; index < perArea; index++) {
      const old = Number(list.readBigUInt64LE(index * EXCEPTION_BYTES));
      const target = Number(list.readBigUInt64LE(index * EXCEPTION_BYTES + 8));
      // Chunk 0 is the header: here the list ends.
      if (target === 0) return exceptions;
      if (target >= chunks || !Number.isSafeInteger(old)) throw damaged('a chunk lies outside of its store');
      exceptions.set(old, target);
    }
  }
  return exceptions;
}

function damaged(why: string): UmbraError {
  return new UmbraError('FILESYSTEM_DAMAGED', `a snapshot is damaged: ${why}`);
}
