import { damaged, takeApart } from './damaged.js';

/** The tags that name a user or group: USER, GROUP. */
const WITH_ID: ReadonlySet<number> = new Set([0x02, 0x08]);
/** USER_OBJ, GROUP_OBJ, MASK, OTHER */
const WITHOUT_ID: ReadonlySet<number> = new Set([0x01, 0x04, 0x10, 0x20]);
const NO_ID = 0xffffffff;
const ENTRY_BYTES = 12;

/**
 * A POSIX ACL as XFS keeps it (big-endian, 12 bytes an entry), in the form that getxattr(2) gives (little-endian, a
 * version and 8 bytes an entry).
 * @throws {UmbraError} FILESYSTEM_DAMAGED when it makes no sense, as in the kernel
 */
export function portableAcl(stored: Buffer): Buffer {
  return takeApart('a POSIX ACL', () => {
    const count = stored.readUInt32BE(0);
    if (stored.length !== 4 + count * ENTRY_BYTES) throw damaged('a POSIX ACL has the wrong size');
    const acl = Buffer.alloc(4 + count * 8);
    acl.writeUInt32LE(2);
    for (let index = 0; index < count; index++) {
      const from = 4 + index * ENTRY_BYTES;
      const tag = stored.readUInt32BE(from);
      if (!WITH_ID.has(tag) && !WITHOUT_ID.has(tag)) throw damaged(`a POSIX ACL has an unknown tag ${tag}`);
      const to = 4 + index * 8;
      acl.writeUInt16LE(tag, to);
      acl.writeUInt16LE(stored.readUInt16BE(from + 8), to + 2);
      acl.writeUInt32LE(WITH_ID.has(tag) ? stored.readUInt32BE(from + 4) : NO_ID, to + 4);
    }
    return acl;
  });
}
