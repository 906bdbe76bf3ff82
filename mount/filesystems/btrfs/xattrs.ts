import { parseDirItem } from './dir-item.js';
import { KeyType } from './layout.js';
import { damaged } from './numbers.js';
import type { ItemTree } from './item-tree.js';

/** The kernel lists no more than 64 KiB of names; this is far above what a file can get. */
const MAX_BYTES = 16 * 1024 * 1024;

/** All extended attributes of an inode by their names, which are stored in full; POSIX ACLs as getxattr(2) gives them. */
export async function readXattrs(tree: ItemTree, inode: number): Promise<Map<string, Uint8Array>> {
  const xattrs = new Map<string, Uint8Array>();
  const from = { objectId: inode, type: KeyType.xattr, offset: 0 };
  let size = 0;
  for await (const items of tree.batches(from, { ...from, offset: -1 })) {
    for (const { data } of items) {
      size += data.length;
      if (size > MAX_BYTES) throw damaged('a file has too many extended attributes');
      for (const entry of parseDirItem(data)) xattrs.set(entry.name.toString('utf8'), Buffer.from(entry.data));
    }
  }
  return xattrs;
}
