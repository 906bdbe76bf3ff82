import type { FileType } from '../filesystem.js';
import { FileAttribute } from './file-attributes.js';
import { utf16 } from './parse.js';

const MAGIC_BYTES = 8;
const SYMLINK = 'IntxLNK\x01';
const CHARACTER_DEVICE = 'IntxCHR\0';
const BLOCK_DEVICE = 'IntxBLK\0';
const DEVICE_BYTES = 24;
const MAX_TARGET_UNITS = 4096;
/** Larger files are files. */
export const MAX_INTERIX_BYTES = MAGIC_BYTES + 2 * MAX_TARGET_UNITS;

/** A special file as Services for Unix kept them, and ntfs-3g still does: a small file that belongs to the system. */
export interface InterixFile {
  readonly type: FileType;
  readonly device?: { readonly major: number; readonly minor: number };
  /** Of a symbolic link. */
  readonly target?: string;
}

/** True if a file with these attributes and of that size may be a special one: its content says. */
export function mayBeInterix(attributes: number, sizeBytes: number): boolean {
  return (attributes & FileAttribute.SYSTEM) !== 0 && sizeBytes <= MAX_INTERIX_BYTES;
}

/** The special file of that content; undefined if it is a file like others. */
export function parseInterix(attributes: number, content: Buffer): InterixFile | undefined {
  const hidden = (attributes & FileAttribute.HIDDEN) !== 0;
  if (!hidden && content.length === 0) return { type: 'fifo' };
  if (!hidden && content.length === 1) return { type: 'socket' };
  const magic = content.toString('latin1', 0, MAGIC_BYTES);
  if (magic === SYMLINK && content.length > MAGIC_BYTES) {
    return { type: 'symlink', target: utf16(content.subarray(MAGIC_BYTES)) };
  }
  if (content.length !== DEVICE_BYTES) return undefined;
  if (magic === CHARACTER_DEVICE) return { type: 'character-device', device: deviceOf(content) };
  if (magic === BLOCK_DEVICE) return { type: 'block-device', device: deviceOf(content) };
  return undefined;
}

function deviceOf(content: Buffer): { major: number; minor: number } {
  return { major: content.readUInt32LE(MAGIC_BYTES), minor: content.readUInt32LE(MAGIC_BYTES + 8) };
}
