import { escapeTarget } from '../names.js';
import { damaged } from './errors.js';
import { MappedFile } from './file-reader.js';
import { FLAG, type Inode } from './inode.js';
import { hasInlineData, inlineParts } from './inline-data.js';
import { mappingOf } from './mapping.js';
import { encodeNokey } from './nokey-name.js';
import { untilNul } from './numbers.js';
import type { Volume } from './volume.js';

/** What an encrypted target is preceded by: its length. */
const ENCRYPTED_HEADER_BYTES = 2;

/**
 * The target of a symbolic link, escaped. That of an encrypted one is shown as the kernel shows it to who has no key.
 * @throws {UmbraError} FILESYSTEM_DAMAGED
 */
export async function targetOf(volume: Volume, inode: Inode): Promise<string> {
  const stored = await storedTarget(volume, inode);
  if ((inode.flags & FLAG.ENCRYPT) !== 0) return encryptedTarget(inode, stored);
  const target = untilNul(stored.subarray(0, inode.sizeBytes));
  if (target.length === 0) throw damaged(`the symbolic link of inode ${inode.number} has no target`);
  return escapeTarget(target);
}

async function storedTarget(volume: Volume, inode: Inode): Promise<Buffer> {
  if (hasInlineData(inode)) return Buffer.concat(await inlineParts(volume, inode));
  return isFast(volume, inode) ? inode.block : await targetInBlock(volume, inode);
}

/** Short targets stand in place of the pointers, as ext4_inode_is_fast_symlink() has it. */
function isFast({ superblock }: Volume, { sizeBytes, flags, blocks, xattrBlock, block }: Inode): boolean {
  if ((flags & FLAG.EA_INODE) !== 0) return sizeBytes < block.length;
  const { clusterBlocks, blockBytes } = superblock;
  return blocks === (xattrBlock === 0 ? 0 : (clusterBlocks * blockBytes) / 512);
}

async function targetInBlock(volume: Volume, inode: Inode): Promise<Buffer> {
  const { blockBytes } = volume.superblock;
  if (inode.sizeBytes > blockBytes) throw damaged(`the symbolic link of inode ${inode.number} is too long`);
  const target = Buffer.alloc(inode.sizeBytes);
  await new MappedFile(volume.source, mappingOf(volume, inode), blockBytes, target.length).read(target, 0);
  return target;
}

function encryptedTarget({ number }: Inode, stored: Buffer): string {
  const length = stored.length < ENCRYPTED_HEADER_BYTES ? 0 : stored.readUInt16LE(0);
  const encrypted = stored.subarray(ENCRYPTED_HEADER_BYTES, ENCRYPTED_HEADER_BYTES + length);
  if (length === 0 || encrypted.length < length) throw damaged(`the encrypted link of inode ${number} is broken`);
  return encodeNokey(encrypted, [0, 0]);
}
