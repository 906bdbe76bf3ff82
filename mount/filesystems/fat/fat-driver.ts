import { isUmbraError, messageOf, UmbraError } from '../../../src/common/errors.js';
import type { MetadataReader } from '../../blocks/block-cache.js';
import { type ByteSource, lengthWithin, readExactly } from '../../blocks/byte-source.js';
import type { Filesystem, FilesystemDriver } from '../filesystem.js';
import { BOOT_SECTOR_BYTES, type FatLayout, parseBootSector } from './boot-sector.js';
import { ClusterBytes, FixedBytes } from './byte-runs.js';
import { ClusterChain } from './cluster-chain.js';
import { ClusterTable } from './cluster-table.js';
import { findLabel } from './directory-entries.js';
import { DIRTY } from './dirty.js';
import { FatFilesystem } from './fat-filesystem.js';
import { labelText } from './short-name.js';

/** FAT12, FAT16 and FAT32, as the type's name says nothing of which it is: the number of clusters does. */
export const fatDriver: FilesystemDriver = {
  async matches(source) {
    return (await layoutOf(source)) !== undefined;
  },
  async open({ source, cache }): Promise<Filesystem> {
    const layout = await layoutOf(source);
    if (layout === undefined)
      throw new UmbraError('FILESYSTEM_DAMAGED', 'there is no boot sector of a FAT file system');
    const reader = cache.reader(source);
    const problems: string[] = [];
    if (layout.sizeBytes > source.sizeBytes) {
      problems.push(`it has ${layout.sizeBytes} bytes, of which only ${source.sizeBytes} are there`);
    }
    const copies = await tableCopies(reader, layout, problems);
    const table = new ClusterTable(reader, { ...ENTRIES[layout.kind], clusters: layout.clusters, copies });
    if (await isDirty(table, layout)) problems.push(DIRTY);
    const label = await labelOf(reader, layout, table, problems);
    return new FatFilesystem({ reader, layout, table, label, problems });
  },
};

const ENTRIES = {
  12: { entryBits: 12, mask: 0xfff, endFrom: 0xff8 },
  16: { entryBits: 16, mask: 0xffff, endFrom: 0xfff8 },
  32: { entryBits: 32, mask: 0x0fffffff, endFrom: 0x0ffffff8 },
} as const;

async function layoutOf(source: ByteSource): Promise<FatLayout | undefined> {
  if (lengthWithin(source.sizeBytes, BOOT_SECTOR_BYTES, 0) < BOOT_SECTOR_BYTES) return undefined;
  return parseBootSector(await readExactly(source, 0, BOOT_SECTOR_BYTES));
}

/** The tables to believe, the best first: the only active one, or those that begin with the medium's type. */
async function tableCopies(reader: MetadataReader, layout: FatLayout, problems: string[]): Promise<number[]> {
  const { fats, activeFat, fatOffset, fatBytes, media } = layout;
  if (activeFat !== undefined) return [fatOffset + activeFat * fatBytes];
  const copies = [fatOffset, fatOffset + fatBytes].slice(0, fats);
  if (
    fats > 1 &&
    !(await beginsWith(reader, fatOffset, media)) &&
    (await beginsWith(reader, fatOffset + fatBytes, media))
  ) {
    problems.push('its first file allocation table is damaged: the second one was used');
    copies.reverse();
  }
  return copies;
}

async function beginsWith(reader: MetadataReader, offset: number, media: number): Promise<boolean> {
  try {
    return (await reader.get(offset, 1))[0] === media;
  } catch (error) {
    if (isUmbraError(error)) return false;
    throw error;
  }
}

/** The flags in the table's second entry, and the one in the boot sector. */
async function isDirty(table: ClusterTable, { kind, isDirty }: FatLayout): Promise<boolean> {
  if (isDirty || kind === 12) return isDirty;
  return ((await table.entry(1)) & (kind === 16 ? 0x8000 : 0x08000000)) === 0;
}

async function labelOf(
  reader: MetadataReader,
  layout: FatLayout,
  table: ClusterTable,
  problems: string[],
): Promise<string> {
  const { kind, rootOffset, rootBytes, rootCluster } = layout;
  const root =
    kind === 32
      ? new ClusterBytes(new ClusterChain(table, rootCluster), layout)
      : new FixedBytes(rootOffset, rootBytes);
  try {
    const found = await findLabel(reader, root);
    return found === undefined ? '' : labelText(found.slots, found.at);
  } catch (error) {
    if (!isUmbraError(error)) throw error;
    problems.push(`its top directory cannot be read to its end: ${messageOf(error)}`);
    return '';
  }
}
