import { escapeTarget } from '../names.js';
import { damaged } from './damaged.js';
import { isMapping } from './extent-map.js';
import { forkMap } from './fork-map.js';
import type { Inode } from './inode.js';
import { type Metadata, REMOTE } from './metadata.js';

/** `XSLM` */
const MAGIC = 0x58534c4d;
const HEADER_BYTES = 56;
/** XFS_SYMLINK_MAXLEN */
const MOST_BYTES = 1024;

/**
 * The target of a symbolic link, in its inode or in blocks of its own, where from version 5 on each extent has a header
 * ("XFS Algorithms & Data Structures", symbolic links).
 * @throws {UmbraError} FILESYSTEM_DAMAGED, STORE_DAMAGED
 */
export async function readTarget(metadata: Metadata, inode: Inode): Promise<string> {
  const { sizeBytes, data, number } = inode;
  if (inode.stat.type !== 'symlink') throw damaged(`inode ${number} is no symbolic link`);
  if (sizeBytes === 0 || sizeBytes > MOST_BYTES) throw damaged(`symbolic link ${number} has ${sizeBytes} bytes`);
  if (data.format !== 'local') return escapeTarget(await readRemoteTarget(metadata, inode));
  if (sizeBytes > data.bytes.length) throw damaged(`symbolic link ${number} is larger than its inode`);
  return escapeTarget(data.bytes.subarray(0, sizeBytes));
}

async function readRemoteTarget(metadata: Metadata, { data, sizeBytes, number }: Inode): Promise<Buffer> {
  const { version, blockBytes } = metadata.geometry.superblock;
  const headerBytes = version === 5 ? HEADER_BYTES : 0;
  const blocks = Math.ceil(sizeBytes / (blockBytes - headerBytes));
  const map = forkMap(metadata, number, data);
  const target = Buffer.alloc(sizeBytes);
  let done = 0;
  for (let block = 0; done < sizeBytes;) {
    const found = await map.find(block);
    if (!isMapping(found) || block >= blocks) throw damaged(`symbolic link ${number} has a hole`);
    const count = Math.min(found.start + found.count, blocks) - block;
    const part = await readPart(metadata, number, { block: found.block + block - found.start, count, done });
    done += part.copy(target, done);
    block += count;
  }
  return target;
}

async function readPart(
  metadata: Metadata,
  number: number,
  { block, count, done }: { readonly block: number; readonly count: number; readonly done: number },
): Promise<Buffer> {
  const { version, blockBytes } = metadata.geometry.superblock;
  const what = `the target of symbolic link ${number}`;
  const offset = metadata.geometry.offsetOf(block, count);
  const bytes = await metadata.bytes(offset, count * blockBytes);
  if (version < 5) return bytes;
  if (bytes.readUInt32BE(0) !== MAGIC || bytes.readUInt32BE(4) !== done) throw damaged(`${what} is none`);
  metadata.check(bytes, REMOTE, number, offset, what);
  const length = bytes.readUInt32BE(8);
  if (length === 0 || length > bytes.length - HEADER_BYTES) throw damaged(`${what} has an impossible size`);
  return bytes.subarray(HEADER_BYTES, HEADER_BYTES + length);
}
