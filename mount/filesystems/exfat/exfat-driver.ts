import { isUmbraError, messageOf } from '../../../src/common/errors.js';
import type { MetadataReader } from '../../blocks/block-cache.js';
import { ClusterBytes } from '../fat/byte-runs.js';
import { ClusterChain } from '../fat/cluster-chain.js';
import { ClusterFile } from '../fat/cluster-file.js';
import { ClusterTable } from '../fat/cluster-table.js';
import { DIRTY } from '../fat/dirty.js';
import type { Filesystem, FilesystemDriver } from '../filesystem.js';
import { type ExfatLayout, hasBackupRegion, hasBootRegion, readBootRegion } from './boot-region.js';
import { ExfatFilesystem } from './exfat-filesystem.js';
import { findRootEntries, type RootEntries } from './root-entries.js';
import { MAX_UPCASE_BYTES, upcaseChecksum, UpcaseTable } from './upcase-table.js';

/** exFAT, TexFAT's second table included. */
export const exfatDriver: FilesystemDriver = {
  async matches(source) {
    return await hasBootRegion(source);
  },
  async matchesCopy(source) {
    return await hasBackupRegion(source);
  },
  async open({ source, cache }): Promise<Filesystem> {
    const { layout, problems: found } = await readBootRegion(source);
    const reader = cache.reader(source);
    const problems = [...found];
    if (layout.sizeBytes > source.sizeBytes) {
      problems.push(`it has ${layout.sizeBytes} bytes, of which only ${source.sizeBytes} are there`);
    }
    if (layout.isDirty) problems.push(DIRTY);
    const { clusters, fatOffset } = layout;
    const table = new ClusterTable(reader, { ...ENTRIES, clusters, copies: [fatOffset] });
    const { label, bitmap, upcase } = await rootEntries(reader, layout, table, problems);
    const capitals = await upcaseTable(reader, layout, table, upcase);
    if (!capitals.isOwn) problems.push('its table of capital letters is damaged: the usual one was used');
    return new ExfatFilesystem({ reader, layout, table, upcase: capitals, bitmap, label, problems });
  },
};

const ENTRIES = { entryBits: 32, mask: 0xffffffff, endFrom: 0xfffffff8 } as const;

async function rootEntries(
  reader: MetadataReader,
  layout: ExfatLayout,
  table: ClusterTable,
  problems: string[],
): Promise<RootEntries> {
  const found: RootEntries = { bitmap: undefined, upcase: undefined, label: '' };
  const runs = new ClusterBytes(new ClusterChain(table, layout.rootCluster), layout);
  try {
    await findRootEntries(reader, runs, layout.activeFat, found);
  } catch (error) {
    if (!isUmbraError(error)) throw error;
    problems.push(`its top directory cannot be read to its end: ${messageOf(error)}`);
  }
  return found;
}

/** The volume's own table if it is whole. */
async function upcaseTable(
  reader: MetadataReader,
  layout: ExfatLayout,
  table: ClusterTable,
  upcase: RootEntries['upcase'],
): Promise<UpcaseTable> {
  if (upcase === undefined || upcase.sizeBytes > MAX_UPCASE_BYTES) return UpcaseTable.standard();
  const bytes = Buffer.alloc(Number(upcase.sizeBytes));
  const runs = new ClusterBytes(new ClusterChain(table, upcase.firstCluster), layout);
  try {
    await new ClusterFile(reader.source, runs, bytes.length).read(bytes, 0);
  } catch (error) {
    if (!isUmbraError(error)) throw error;
    return UpcaseTable.standard();
  }
  return upcaseChecksum(bytes) === upcase.checksum ? UpcaseTable.parse(bytes) : UpcaseTable.standard();
}
