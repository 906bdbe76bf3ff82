import { FileAttribute } from './file-attributes.js';
import type { StandardInformation } from './standard-information.js';

/** Where Samba keeps a file's security descriptor (vfs_acl_xattr), and its DOS attributes (`store dos attributes`). */
export const NTACL_XATTR = 'security.NTACL';
export const DOSATTRIB_XATTR = 'user.DOSATTRIB';

/** A descriptor by itself: with a hash of the file's mode, as later versions have it, Samba would not believe it. */
const NTACL_VERSION = 1;
/** What NDR puts in the place of a pointer. */
const POINTER = 0x0002_0000;

const HEADER_BYTES = 8;
/** Where a descriptor has the places of its owner, group and lists. */
const PLACES = [4, 8, 12, 16];
const DESCRIPTOR_BYTES = 20;

/**
 * A self-relative security descriptor in the form of `xattr_NTACL` (Samba's librpc/idl/xattr.idl).
 * @returns undefined if it is too short for one
 */
export function ntaclXattr(descriptor: Buffer): Buffer | undefined {
  if (descriptor.length < DESCRIPTOR_BYTES) return undefined;
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16LE(NTACL_VERSION, 0);
  header.writeUInt16LE(NTACL_VERSION, 2);
  header.writeUInt32LE(POINTER, 4);
  const moved = Buffer.from(descriptor);
  for (const place of PLACES) {
    const offset = descriptor.readUInt32LE(place);
    // In this form places count from the beginning of the attribute.
    if (offset !== 0) moved.writeUInt32LE((offset + HEADER_BYTES) >>> 0, place);
  }
  return Buffer.concat([header, moved]);
}

/** What Samba shows of a file's attributes and others can keep: not that it is compressed, encrypted, or a link. */
const SHOWN =
  FileAttribute.READ_ONLY |
  FileAttribute.HIDDEN |
  FileAttribute.SYSTEM |
  FileAttribute.DIRECTORY |
  FileAttribute.ARCHIVE |
  FileAttribute.NOT_INDEXED;

/** The third version is known by every Samba that there still is. */
const DOSATTRIB_VERSION = 3;
const VALID_ATTRIBUTES = 0x01;
const VALID_CREATE_TIME = 0x10;

/** A file's attributes and the time of its making in the form of `xattr_DOSATTRIB`. */
export function dosattribXattr({ attributes, birthTime }: StandardInformation, isDirectory: boolean): Buffer {
  const shown = (attributes & SHOWN) | (isDirectory ? FileAttribute.DIRECTORY : 0);
  const text = Buffer.from(`0x${shown.toString(16)}\0`, 'latin1');
  const start = align(text.length, 2);
  const fields = align(start + 4, 4);
  const value = Buffer.alloc(fields + 44);
  text.copy(value);
  value.writeUInt16LE(DOSATTRIB_VERSION, start);
  value.writeUInt16LE(DOSATTRIB_VERSION, start + 2);
  value.writeUInt32LE(VALID_ATTRIBUTES | VALID_CREATE_TIME, fields);
  value.writeUInt32LE(shown, fields + 4);
  // Sizes and the time of the last change, which are not said to be valid, are between and behind.
  value.writeBigUInt64LE(birthTime, fields + 28);
  return value;
}

function align(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
