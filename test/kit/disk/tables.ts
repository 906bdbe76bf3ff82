import { crc32 } from '@node-rs/crc32';

const SECTOR_BYTES = 512;
const ENTRY_BYTES = 128;

/** An entry of a boot record, in sectors. */
export interface BootEntry {
  readonly type: number;
  readonly start: number;
  readonly sectors: number;
  /** Where in the record it stands, if not behind the one before it. */
  readonly index?: number;
}

/** Write a boot record, of a disk or of a logical partition, into the sector `at`. */
export function writeBootRecord(image: Buffer, at: number, entries: readonly BootEntry[]): void {
  const record = image.subarray(at * SECTOR_BYTES, (at + 1) * SECTOR_BYTES);
  record.fill(0);
  entries.forEach(({ type, start, sectors, index: place }, index) => {
    const entry = 446 + (place ?? index) * 16;
    record.writeUInt8(type, entry + 4);
    record.writeUInt32LE(start, entry + 8);
    record.writeUInt32LE(sectors, entry + 12);
  });
  record.writeUInt16LE(0xaa55, 510);
}

/** Write a GPT (its header in the sector `at`, the entries behind it) whose partitions are one sector long. */
export function writeGpt(
  image: Buffer,
  partitions: readonly number[],
  change?: (header: Buffer) => void,
  at = 1,
): void {
  const entries = image.subarray((at + 1) * SECTOR_BYTES, (at + 1) * SECTOR_BYTES + partitions.length * ENTRY_BYTES);
  partitions.forEach((sector, index) => {
    const entry = index * ENTRY_BYTES;
    entries.fill(1 + (index % 255), entry, entry + 32);
    entries.writeBigUInt64LE(BigInt(sector), entry + 32);
    entries.writeBigUInt64LE(BigInt(sector), entry + 40);
  });
  const header = image.subarray(at * SECTOR_BYTES, at * SECTOR_BYTES + 92);
  header.write('EFI PART');
  header.writeUInt32LE(92, 12);
  header.writeBigUInt64LE(BigInt(at), 24);
  header.writeBigUInt64LE(BigInt(at + 1), 72);
  header.writeUInt32LE(partitions.length, 80);
  header.writeUInt32LE(ENTRY_BYTES, 84);
  header.writeUInt32LE(crc32(entries), 88);
  change?.(header);
  header.writeUInt32LE(0, 16);
  header.writeUInt32LE(crc32(header), 16);
}
