import { protect, unprotect } from './ntfs-records.js';

/** A volume in memory whose records can be changed; clusters of 4 KiB, records of 1 KiB. */
export class NtfsEditor {
  readonly volume: Buffer;

  constructor(volume: Buffer) {
    this.volume = Buffer.from(volume);
  }

  /** Where record `number` stands, in a table that is in one piece. */
  recordOffset(number: number): number {
    return Number(this.volume.readBigUInt64LE(0x30)) * 4096 + number * 1024;
  }

  /** Where the mirror's record `number` stands. */
  mirrorOffset(number: number): number {
    return Number(this.volume.readBigUInt64LE(0x38)) * 4096 + number * 1024;
  }

  /** The number of the record of a file with that name. */
  find(name: string): number {
    const wanted = Buffer.from(name, 'utf16le');
    for (let number = 16; number < 400; number++) {
      const offset = this.recordOffset(number);
      const record = this.volume.subarray(offset, offset + 1024);
      if (record.toString('latin1', 0, 4) === 'FILE' && record.includes(wanted)) return number;
    }
    throw new Error(`no file ${name}`);
  }

  /** Change a record, as it is without its protection. */
  edit(number: number, change: (record: Buffer) => void): void {
    const offset = this.recordOffset(number);
    this.editAt(offset, 1024, change);
  }

  /** Change a protected structure at an offset of the volume. */
  editAt(offset: number, length: number, change: (record: Buffer) => void): void {
    const record = unprotect(this.volume.subarray(offset, offset + length));
    change(record);
    protect(record, record.readUInt16LE(4));
  }
}

/** The first attribute of that type in a record; to be changed in place. */
export function attributeOf(record: Buffer, type: number): Buffer {
  for (let at = record.readUInt16LE(20); at + 8 < record.length;) {
    const found = record.readUInt32LE(at);
    const length = record.readUInt32LE(at + 4);
    if (found === type) return record.subarray(at, at + length);
    if (found === 0xffffffff || length === 0) break;
    at += length;
  }
  throw new Error(`no attribute ${type}`);
}
