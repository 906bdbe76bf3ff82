import type { MetadataReader } from '../../blocks/block-cache.js';
import type { ByteSource } from '../../blocks/byte-source.js';
import type { Filesystem, FilesystemDriver, OpenOptions } from '../filesystem.js';
import { Geometry } from './geometry.js';
import { Metadata } from './metadata.js';
import { parseSuperblock, SUPERBLOCK_MAGIC } from './superblock.js';
import { XfsFilesystem } from './xfs-filesystem.js';

/** Opens XFS of version 4 and 5. */
export const xfsDriver: FilesystemDriver = {
  async matches(source: ByteSource): Promise<boolean> {
    const magic = Buffer.alloc(4);
    return (await source.read(magic, 0)) === 4 && magic.readUInt32BE(0) === SUPERBLOCK_MAGIC;
  },

  async open({ source, cache }: OpenOptions): Promise<Filesystem> {
    const reader = cache.reader(source);
    const superblock = parseSuperblock(await readSuperblock(reader));
    const metadata = new Metadata(new Geometry(superblock), reader);
    return new XfsFilesystem({ metadata, journal: { state: 'clean' }, problems: [], countersAreRight: true });
  },
};

/** Its sector, of which the checksum is. */
async function readSuperblock(reader: MetadataReader): Promise<Buffer> {
  const start = await reader.get(0, 512);
  return await reader.get(0, Math.max(512, start.readUInt16BE(102)));
}
