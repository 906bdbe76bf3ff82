import type { ByteSource } from '../../blocks/byte-source.js';
import type { Filesystem, FilesystemDriver, OpenOptions } from '../filesystem.js';
import { BOOT_SECTOR_BYTES, bootSectors, type Geometry, hasSignature, parseBootSector } from './boot-sector.js';
import type { NtfsCore } from './core.js';
import { NtfsFilesystem, rootReference } from './filesystem.js';
import { journalState } from './log-file.js';
import { Mft } from './mft.js';
import { damaged } from './parse.js';
import { readVolumeInformation } from './volume.js';

/** Reads NTFS, as Windows (and ntfs-3g) write it. */
export const ntfsDriver: FilesystemDriver = {
  async matches(source: ByteSource): Promise<boolean> {
    const sector = Buffer.alloc(BOOT_SECTOR_BYTES);
    return (await source.read(sector, 0)) === sector.length && hasSignature(sector);
  },

  /** By the copy of its boot sector in the partition's last sector. */
  async matchesCopy(source: ByteSource): Promise<boolean> {
    return (await bootSectors(source)).some((sector) => parseBootSector(sector) !== undefined);
  },

  async open({ source, cache }: OpenOptions): Promise<Filesystem> {
    const { geometry, problems } = await readGeometry(source);
    const reader = cache.reader(source);
    const mft = await Mft.open(reader, geometry);
    const core: NtfsCore = { source, reader, geometry, mft };
    const volume = await readVolumeInformation(core);
    const journal = await journalState(core);
    const root = await rootReference(core);
    const dirty = volume.dirty ? ['the volume is marked dirty: Windows would check it'] : [];
    const all = [...problems, ...mft.problems, ...volume.problems, ...dirty];
    return new NtfsFilesystem({ core, label: volume.label, journal, problems: all, root });
  },
};

async function readGeometry(source: ByteSource): Promise<{ geometry: Geometry; problems: string[] }> {
  const problems: string[] = [];
  for (const sector of await bootSectors(source)) {
    const geometry = parseBootSector(sector);
    if (geometry !== undefined) {
      if (geometry.sizeBytes > source.sizeBytes)
        problems.push('the volume is larger than what holds it: its end is missing');
      return { geometry, problems };
    }
    problems[0] = 'the boot sector is damaged: its copy at the end was used';
  }
  throw damaged('the boot sector makes no sense, and there is no copy');
}
