import type { BlockCache } from '../../blocks/block-cache.js';
import type { ByteSource } from '../../blocks/byte-source.js';
import type { Filesystem, FilesystemDriver } from '../filesystem.js';
import { Btrfs } from './btrfs.js';
import { SystemChunks, TreeChunks } from './chunk-map.js';
import { type DataChecksums, LayeredChecksums, TreeChecksums } from './csums.js';
import { DataReader } from './data-reader.js';
import { missingDevices, openDevices } from './devices.js';
import { ObjectId } from './layout.js';
import { replayLog } from './log.js';
import { NodeStore } from './node-store.js';
import { Subvolumes } from './subvolumes.js';
import { subvolumePath } from './subvolume-path.js';
import { hasMagic, type Superblock } from './superblock.js';
import type { ItemTree } from './item-tree.js';
import { Tree } from './tree.js';

export { type BtrfsDevice, readBtrfsDevice } from './devices.js';

export interface OpenBtrfsOptions {
  /** The device that is asked for, and any others that may belong to it; what does not is left alone. */
  readonly sources: readonly ByteSource[];
  readonly cache: BlockCache;
}

/** What a file system keeps in memory besides a replayed log. */
const OWN_BYTES = 512 * 1024;

/**
 * Open a file system of one or more devices. If some are missing, what is on them alone gives errors when it is read.
 * @throws {UmbraError} FILESYSTEM_DAMAGED, FILESYSTEM_UNREADABLE, STORE_DAMAGED
 */
export async function openBtrfs({ sources, cache }: OpenBtrfsOptions): Promise<Filesystem> {
  const { devices, problems } = await openDevices(sources, cache);
  const { superblock } = devices;
  const rules = { checksum: superblock.checksum, uuids: devices.metadataUuids };
  const system = new SystemChunks(superblock.systemChunks);
  const chunkTree = new Tree(new NodeStore(devices, system, rules), superblock.chunkRoot);
  const chunks = new TreeChunks(chunkTree);
  const nodes = new NodeStore(devices, chunks, rules);
  const roots = new Tree(nodes, superblock.root);
  const committed = new Subvolumes(roots, nodes);
  const { journal, trees, logs, memoryBytes } = await replayLog(superblock, nodes, committed);
  const subvolumes = trees.size === 0 ? committed : new Subvolumes(roots, nodes, trees);
  const checksums = dataChecksums(superblock, [...logs, await committed.tree(ObjectId.csumTree)]);
  const data = new DataReader(devices, chunks, checksums);
  problems.push(...(await missingDevices(devices, chunkTree)), ...(await remarks(superblock, subvolumes)));
  return new Btrfs({ devices, chunkTree, subvolumes, data, journal, problems, memoryBytes: OWN_BYTES + memoryBytes });
}

/** What is good to know of how the file system is shown. */
async function remarks({ fromMirror, metadataOnly }: Superblock, subvolumes: Subvolumes): Promise<string[]> {
  const found: string[] = [];
  if (fromMirror) found.push('the first superblock is damaged: a mirror of it was taken');
  if (metadataOnly) found.push('it was made from a dump of metadata: the content of files is not there');
  const id = await subvolumes.defaultId();
  if (id !== ObjectId.topLevel) {
    const path = await subvolumePath(subvolumes, id);
    found.push(`a mount shows the subvolume ${path} by default; here it stands in the top level, with all others`);
  }
  return found;
}

function dataChecksums({ checksum, sectorBytes }: Superblock, trees: readonly ItemTree[]): DataChecksums {
  const layers = trees.map((tree) => new TreeChecksums(tree, checksum.sizeBytes, sectorBytes));
  const [only] = layers;
  return only !== undefined && layers.length === 1 ? only : new LayeredChecksums(layers, checksum.sizeBytes);
}

/** Opens a btrfs file system that is on one device, as far as it is. */
export const btrfsDriver: FilesystemDriver = {
  matches: hasMagic,
  open: ({ source, cache }) => openBtrfs({ sources: [source], cache }),
};
