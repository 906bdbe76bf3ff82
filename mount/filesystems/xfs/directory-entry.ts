import type { FileType } from '../filesystem.js';

/** An entry of a directory as it stands there; `.` and `..` may be among them. */
export interface RawEntry {
  /** A view. */
  readonly name: Buffer;
  readonly inode: number;
  readonly type: FileType | undefined;
}

const TYPES: readonly (FileType | undefined)[] = [
  undefined,
  'file',
  'directory',
  'character-device',
  'block-device',
  'fifo',
  'socket',
  'symlink',
];

/** The type that an entry of a directory says; undefined if it says none. */
export function entryType(number: number): FileType | undefined {
  return TYPES[number];
}

/** True for `.` and `..`. */
export function isDots(name: Buffer): boolean {
  return name[0] === 0x2e && (name.length === 1 || (name.length === 2 && name[1] === 0x2e));
}
