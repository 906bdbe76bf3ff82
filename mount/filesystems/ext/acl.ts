import { damaged } from './errors.js';

const STORED_VERSION = 1;
const XATTR_VERSION = 2;
const HEADER_BYTES = 4;
const SHORT_BYTES = 4;
const LONG_BYTES = 8;
const NO_ID = 0xffffffff;
/** The tags that carry an id: ACL_USER and ACL_GROUP. */
const WITH_ID: readonly number[] = [0x02, 0x08];
/** ACL_USER_OBJ, ACL_GROUP_OBJ, ACL_MASK, ACL_OTHER. */
const WITHOUT_ID: readonly number[] = [0x01, 0x04, 0x10, 0x20];

/**
 * A POSIX ACL as getxattr(2) gives it (linux/posix_acl_xattr.h), from the shorter form that is stored
 * (fs/ext4/acl.h): there only entries for named users and groups carry an id.
 * @throws {UmbraError} FILESYSTEM_DAMAGED
 */
export function posixAclXattr(stored: Uint8Array, owner: number): Uint8Array {
  const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.length);
  if (bytes.length < HEADER_BYTES || bytes.readUInt32LE(0) !== STORED_VERSION) throw broken(owner);
  const entries: Buffer[] = [];
  for (let at = HEADER_BYTES; at < bytes.length;) {
    if (at + SHORT_BYTES > bytes.length) throw broken(owner);
    const tag = bytes.readUInt16LE(at);
    const hasId = WITH_ID.includes(tag);
    const length = hasId ? LONG_BYTES : SHORT_BYTES;
    if ((!hasId && !WITHOUT_ID.includes(tag)) || at + length > bytes.length) throw broken(owner);
    const entry = Buffer.alloc(LONG_BYTES);
    bytes.copy(entry, 0, at, at + length);
    if (!hasId) entry.writeUInt32LE(NO_ID, 4);
    entries.push(entry);
    at += length;
  }
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(XATTR_VERSION);
  return Buffer.concat([header, ...entries]);
}

function broken(owner: number): Error {
  return damaged(`an access control list of inode ${owner} is broken`);
}
