import { Budget } from '../../blocks/budget.js';
import { posixAclXattr } from './acl.js';
import { crcOf, crcOfNumber, crcWithoutField } from './checksum.js';
import { damaged, unreadable } from './errors.js';
import { MappedFile } from './file-reader.js';
import { FLAG, hasXattrsInside, type Inode, OLD_INODE_BYTES } from './inode.js';
import { mappingOf } from './mapping.js';
import { hasMetadataChecksums } from './superblock.js';
import { areDataBlocks, metadataBlock, type Volume } from './volume.js';
import { parseXattrs, type XattrEntry } from './xattr-entries.js';

const BLOCK_MAGIC = 0xea020000;
const BLOCK_HEADER_BYTES = 32;
const BLOCK_CHECKSUM_AT = 16;
/** The kernel's limit for what getxattr(2) gives. */
const MAX_VALUE_BYTES = 65_536;
/** How much one call may gather. */
const MAX_TOTAL_BYTES = 16 * 1024 * 1024;

/** Inline data belong to `system.` too, and are no attribute. */
const SYSTEM = 7;
/** The context of an encrypted file. */
export const ENCRYPTION = 9;

/** Prefixes by e_name_index; those that the kernel does not show are not here. */
const PREFIXES: Readonly<Record<number, string>> = { 1: 'user.', 4: 'trusted.', 6: 'security.', 10: 'gnu.' };
const ACLS: Readonly<Record<number, string>> = { 2: 'system.posix_acl_access', 3: 'system.posix_acl_default' };

/**
 * All extended attributes that the kernel shows.
 * @throws {UmbraError} FILESYSTEM_DAMAGED; FILESYSTEM_UNREADABLE for a value larger than the kernel would hand out
 */
export async function xattrsOf(volume: Volume, inode: Inode): Promise<Map<string, Uint8Array>> {
  const xattrs = new Map<string, Uint8Array>();
  const budget = new Budget(MAX_TOTAL_BYTES, `bytes of extended attributes of inode ${inode.number}`);
  for (const entry of await entriesOf(volume, inode)) {
    const acl = ACLS[entry.prefix];
    const prefix = PREFIXES[entry.prefix];
    if (acl === undefined && prefix === undefined) continue;
    budget.spend(entry.valueBytes);
    const value = await valueOf(volume, inode, entry);
    if (acl !== undefined) xattrs.set(acl, posixAclXattr(value, inode.number));
    else if (prefix !== undefined) xattrs.set(prefix + entry.name, value);
  }
  return xattrs;
}

/** The part of inline data that does not fit into i_block; undefined if there is none. */
export async function inlineRest(volume: Volume, inode: Inode): Promise<Uint8Array | undefined> {
  const entry = entriesInside(inode).find(({ prefix, name }) => prefix === SYSTEM && name === 'data');
  return entry === undefined ? undefined : await valueOf(volume, inode, entry);
}

async function entriesOf(volume: Volume, inode: Inode): Promise<XattrEntry[]> {
  const inside = entriesInside(inode);
  return inode.xattrBlock === 0 ? inside : [...inside, ...(await entriesInBlock(volume, inode))];
}

function entriesInside(inode: Inode): XattrEntry[] {
  if (!hasXattrsInside(inode)) return [];
  return parseXattrs(inode.bytes.subarray(OLD_INODE_BYTES + inode.extraBytes + 4), 0, inode.number);
}

async function entriesInBlock(volume: Volume, { number, xattrBlock }: Inode): Promise<XattrEntry[]> {
  const { superblock } = volume;
  const what = `the block of extended attributes of inode ${number}`;
  if (!areDataBlocks(superblock, xattrBlock, 1)) throw damaged(`${what} does not stand in the file system`);
  const block = await metadataBlock(volume, xattrBlock);
  if (block.readUInt32LE(0) !== BLOCK_MAGIC || block.readUInt32LE(8) !== 1) throw damaged(`${what} is none`);
  if (hasMetadataChecksums(superblock)) {
    const low = crcOfNumber(superblock.checksumSeed, xattrBlock % 2 ** 32);
    const seed = crcOfNumber(low, Math.floor(xattrBlock / 2 ** 32));
    if (crcWithoutField(seed, block, BLOCK_CHECKSUM_AT) !== block.readUInt32LE(BLOCK_CHECKSUM_AT)) {
      throw damaged(`${what} has a wrong checksum`);
    }
  }
  return parseXattrs(block, BLOCK_HEADER_BYTES, number);
}

async function valueOf(volume: Volume, owner: Inode, entry: XattrEntry): Promise<Uint8Array> {
  if (entry.valueInode === 0) return Uint8Array.from(entry.value);
  if (entry.valueBytes > MAX_VALUE_BYTES) {
    const what = `an extended attribute of inode ${owner.number} has ${entry.valueBytes} bytes`;
    throw unreadable(what, 'Linux hands out 65,536 bytes at most. Look at the raw volume with debugfs.');
  }
  return await valueInInode(volume, owner, entry);
}

/** A value that an inode of its own holds, checked as ext4_xattr_inode_get() does. */
async function valueInInode(volume: Volume, owner: Inode, entry: XattrEntry): Promise<Uint8Array> {
  const inode = await volume.inodes.special(entry.valueInode);
  const what = `an extended attribute of inode ${owner.number}`;
  if ((inode.flags & FLAG.EA_INODE) === 0) throw damaged(`${what} has its value in an inode that is for no such thing`);
  if (inode.sizeBytes !== entry.valueBytes) throw damaged(`${what} has a value of another size`);
  if ((inode.flags & FLAG.INLINE_DATA) !== 0) throw damaged(`${what} has its value where it cannot be`);
  const { source, superblock } = volume;
  const file = new MappedFile(source, mappingOf(volume, inode), superblock.blockBytes, entry.valueBytes);
  const value = Buffer.alloc(entry.valueBytes);
  await file.read(value, 0);
  // The digest stands in the time of access; Lustre's older form names the owner in the time of change.
  const isRight = crcOf(superblock.checksumSeed, value) === inode.bytes.readUInt32LE(8);
  if (!isRight && inode.bytes.readUInt32LE(16) !== owner.number) throw damaged(`${what} has a wrong checksum`);
  return value;
}
