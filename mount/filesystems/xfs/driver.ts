import type { MetadataReader } from '../../blocks/block-cache.js';
import type { ByteSource } from '../../blocks/byte-source.js';
import { OverlaySource } from '../../blocks/overlay.js';
import type { Filesystem, FilesystemDriver, OpenOptions } from '../filesystem.js';
import { Geometry } from './geometry.js';
import { recoverLog } from './log/recovery.js';
import { SECTOR_BYTES } from './log/sector-overlay.js';
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
    const raw = cache.reader(source);
    const found = new Geometry(parseSuperblock(await readSuperblock(raw)));
    const { journal, problems, sectors } = await recoverLog(found, raw);
    const isClean = journal.state === 'clean';
    if (sectors.size === 0) {
      return new XfsFilesystem({ metadata: new Metadata(found, raw), journal, problems, countersAreRight: isClean });
    }
    cache.drop(raw);
    const reader = cache.reader(new OverlaySource(source, SECTOR_BYTES, sectors));
    // The log may have made the file system larger.
    const geometry = new Geometry(parseSuperblock(await readSuperblock(reader)));
    return new XfsFilesystem({ metadata: new Metadata(geometry, reader), journal, problems, countersAreRight: false });
  },
};

/** Its sector, of which the checksum is. */
async function readSuperblock(reader: MetadataReader): Promise<Buffer> {
  const start = await reader.get(0, 512);
  return await reader.get(0, Math.max(512, start.readUInt16BE(102)));
}
