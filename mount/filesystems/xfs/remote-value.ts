import { damaged } from './damaged.js';
import { type ExtentMap, isMapping } from './extent-map.js';
import { type Metadata, REMOTE } from './metadata.js';
import type { RemoteValue } from './attribute-entry.js';

/** `XARM` */
const MAGIC = 0x5841524d;
const HEADER_BYTES = 56;
/** XFS_XATTR_SIZE_MAX */
const MOST_BYTES = 65_536;

/**
 * The value of an attribute that stands in blocks of its own; each has a header from version 5 on ("XFS Algorithms &
 * Data Structures", remote attribute values).
 * @throws {UmbraError} FILESYSTEM_DAMAGED, STORE_DAMAGED
 */
export async function readRemoteValue(
  metadata: Metadata,
  map: ExtentMap,
  owner: number,
  value: RemoteValue,
): Promise<Buffer> {
  if (value.length > MOST_BYTES) throw damaged(`an attribute of inode ${owner} has ${value.length} bytes`);
  const bytes = Buffer.alloc(value.length);
  let done = 0;
  for (let block = value.block; done < bytes.length; block++) {
    const part = await readBlock(metadata, map, owner, { block, done });
    done += part.copy(bytes, done);
  }
  return bytes;
}

async function readBlock(
  metadata: Metadata,
  map: ExtentMap,
  owner: number,
  { block, done }: { readonly block: number; readonly done: number },
): Promise<Buffer> {
  const { geometry } = metadata;
  const what = `a value of an attribute of inode ${owner}`;
  const found = await map.find(block);
  if (!isMapping(found)) throw damaged(`${what} has a hole`);
  const offset = geometry.offsetOf(found.block + block - found.start);
  const bytes = await metadata.bytes(offset, geometry.superblock.blockBytes);
  if (geometry.superblock.version < 5) return bytes;
  if (bytes.readUInt32BE(0) !== MAGIC || bytes.readUInt32BE(4) !== done) throw damaged(`${what} is none`);
  metadata.check(bytes, REMOTE, owner, offset, what);
  const length = bytes.readUInt32BE(8);
  if (length === 0 || length > bytes.length - HEADER_BYTES) throw damaged(`${what} has an impossible size`);
  return bytes.subarray(HEADER_BYTES, HEADER_BYTES + length);
}
