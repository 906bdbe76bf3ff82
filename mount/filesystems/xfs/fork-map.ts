import { damaged } from './damaged.js';
import { ExtentList } from './extent-list.js';
import type { ExtentMap } from './extent-map.js';
import { ExtentTree } from './extent-tree.js';
import type { Fork } from './fork.js';
import type { Metadata } from './metadata.js';

/**
 * Where the blocks of a fork stand.
 * @throws {UmbraError} FILESYSTEM_DAMAGED when it has no blocks by its format
 */
export function forkMap(metadata: Metadata, owner: number, fork: Fork): ExtentMap {
  if (fork.format === 'extents') return new ExtentList(fork.bytes, 0, fork.extentCount);
  if (fork.format === 'btree') return new ExtentTree(metadata, owner, fork.bytes);
  throw damaged(`inode ${owner} should have extents, but is ${fork.format}`);
}
