import type { Probe } from '../probe.js';
import { type Area, lvmCrc } from './label.js';

const HEADER_BYTES = 512;
const MAGIC = ' LVM2 x[5A%r0N*>';
const LOCATIONS_AT = 40;
const IGNORED = 1;
/** LVM's own areas are 1 MiB long; those of groups with thousands of volumes are made a few MiB long. */
const MAX_TEXT_BYTES = 8 * 1024 * 1024;

/** What stands in a metadata area. */
export interface MetadataCopy {
  readonly text?: string;
  /** Why there is no text although there should be. */
  readonly problem?: string;
}

/**
 * The description of the volume group in one of its metadata areas: a ring of texts behind a header that says where the
 * newest one is (lib/format_text/layout.h of lvm2).
 */
export async function readMetadataArea(probe: Probe, { offset, sizeBytes }: Area): Promise<MetadataCopy> {
  const header = await probe.at(offset, HEADER_BYTES);
  if (header === undefined) return { problem: 'a metadata area lies outside of it, or cannot be read' };
  if (header.toString('latin1', 4, 20) !== MAGIC || header.readUInt32LE(20) !== 1) {
    return { problem: 'the header of a metadata area is gone' };
  }
  if (header.readUInt32LE(0) !== lvmCrc(header.subarray(4))) {
    return { problem: 'the checksum of the header of a metadata area is wrong' };
  }
  const textAt = Number(header.readBigUInt64LE(LOCATIONS_AT));
  const length = Number(header.readBigUInt64LE(LOCATIONS_AT + 8));
  const ignored = (header.readUInt32LE(LOCATIONS_AT + 20) & IGNORED) !== 0;
  if (textAt === 0 || length === 0 || ignored) return {};
  if (textAt < HEADER_BYTES || textAt >= sizeBytes || length > Math.min(sizeBytes - HEADER_BYTES, MAX_TEXT_BYTES)) {
    return { problem: 'the header of a metadata area makes no sense' };
  }
  const text = await readRing(probe, offset, sizeBytes, textAt, length);
  if (text === undefined) return { problem: 'a metadata area lies outside of it, or cannot be read' };
  if (lvmCrc(text) !== header.readUInt32LE(LOCATIONS_AT + 16))
    return { problem: 'the checksum of the metadata is wrong' };
  return { text: text.toString('utf8').replace(/\0+$/, '') };
}

/** What passes the end of the area goes on behind its header. */
async function readRing(
  probe: Probe,
  offset: number,
  sizeBytes: number,
  textAt: number,
  length: number,
): Promise<Buffer | undefined> {
  const toEnd = Math.min(length, sizeBytes - textAt);
  const first = await probe.at(offset + textAt, toEnd);
  const second = await probe.at(offset + HEADER_BYTES, length - toEnd);
  return first && second && Buffer.concat([first, second]);
}
