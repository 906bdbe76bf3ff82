import { crc32 } from '@node-rs/crc32';
import type { Probe } from './probe.js';

const MIN_HEADER_BYTES = 92;
const MIN_ENTRY_BYTES = 128;
const MAX_ENTRY_BYTES = 4096;
/** The array of entries is read whole to check it; tools make it 16 KiB long. */
const MAX_ARRAY_BYTES = 1024 * 1024;

/** A header whose checksum is right, and the array of entries whose checksum is, too. */
export interface Gpt {
  readonly sectorBytes: number;
  readonly entryBytes: number;
  readonly entries: Buffer;
}

/** What was found where a header should stand. */
export type GptHeader =
  | { readonly state: 'none' }
  /** The signature is there, and something is wrong. */
  | { readonly state: 'damaged'; readonly sectorBytes: number; readonly why: string; readonly alternateLba: number }
  | { readonly state: 'good'; readonly gpt: Gpt };

/** The header in that sector, with its entries (UEFI specification, section 5.3.2). */
export async function readGptHeader(probe: Probe, sectorBytes: number, lba: number): Promise<GptHeader> {
  const sector = await probe.at(lba * sectorBytes, sectorBytes);
  if (sector?.toString('latin1', 0, 8) !== 'EFI PART') return { state: 'none' };
  const alternateLba = Number(sector.readBigUInt64LE(32));
  const damaged = (why: string): GptHeader => ({ state: 'damaged', sectorBytes, why, alternateLba });
  const length = sector.readUInt32LE(12);
  if (length < MIN_HEADER_BYTES || length > sectorBytes) return damaged('its length makes no sense');
  const header = Buffer.from(sector.subarray(0, length));
  header.writeUInt32LE(0, 16);
  if (crc32(header) !== sector.readUInt32LE(16)) return damaged('its checksum is wrong');
  if (sector.readBigUInt64LE(24) !== BigInt(lba)) return damaged('it stands in the wrong place');
  const [entryBytes, count] = [sector.readUInt32LE(84), sector.readUInt32LE(80)];
  if (entryBytes < MIN_ENTRY_BYTES || entryBytes > MAX_ENTRY_BYTES || entryBytes * count > MAX_ARRAY_BYTES) {
    return damaged(`it has ${count} entries of ${entryBytes} bytes`);
  }
  const entries = await probe.at(Number(sector.readBigUInt64LE(72)) * sectorBytes, entryBytes * count);
  if (entries === undefined) return damaged('its entries lie outside of the disk');
  if (crc32(entries) !== sector.readUInt32LE(88)) return damaged("its entries' checksum is wrong");
  return { state: 'good', gpt: { sectorBytes, entryBytes, entries } };
}
