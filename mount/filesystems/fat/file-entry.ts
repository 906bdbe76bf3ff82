import type { ClusterEntry } from './cluster-filesystem.js';
import { DIRECTORY } from './dos-attributes.js';
import { dosTimeNs } from './dos-time.js';

/**
 * What the entry of a file in a FAT directory says. FAT specification, section 6.
 * @param slot 32 bytes
 * @param hasLargeNumbers of FAT32, whose cluster numbers have more than 16 bits
 */
export function parseFileEntry(slot: Buffer, hasLargeNumbers: boolean): ClusterEntry {
  const attributes = slot.readUInt8(11);
  const createDate = slot.readUInt16LE(16);
  const high = hasLargeNumbers ? slot.readUInt16LE(20) : 0;
  const sizeBytes = slot.readUInt32LE(28);
  return {
    attributes,
    isDirectory: (attributes & DIRECTORY) !== 0,
    firstCluster: high * 0x10000 + slot.readUInt16LE(26),
    sizeBytes,
    validBytes: sizeBytes,
    mtimeNs: dosTimeNs(slot.readUInt16LE(24), slot.readUInt16LE(22)),
    atimeNs: dosTimeNs(slot.readUInt16LE(18), 0),
    birthNs: createDate === 0 ? undefined : dosTimeNs(createDate, slot.readUInt16LE(14), slot.readUInt8(13)),
  };
}
