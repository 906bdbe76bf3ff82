import type { BlockMapping } from './block-mapping.js';
import { ExtentTree } from './extent-tree.js';
import { IndirectMap } from './indirect-map.js';
import { FLAG, type Inode } from './inode.js';
import type { Volume } from './volume.js';

/** The mapping of an inode whose content is neither inline nor a link's target in the inode. */
export function mappingOf(volume: Volume, inode: Inode): BlockMapping {
  const changed = volume.changes?.mapping(inode.number);
  if (changed !== undefined) return changed;
  return (inode.flags & FLAG.EXTENTS) === 0 ? new IndirectMap(volume, inode) : new ExtentTree(volume, inode);
}
