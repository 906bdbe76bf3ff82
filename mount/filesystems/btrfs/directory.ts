import type { DirectoryItem } from '../filesystem.js';
import { escapeName, unescapeName } from '../names.js';
import { nameHash } from './checksum.js';
import { type DirEntry, parseDirItem } from './dir-item.js';
import { fileId, placeholderId } from './file-id.js';
import { ENTRY_TYPES } from './inode.js';
import { KeyType, MAX_NAME_BYTES, ObjectId } from './layout.js';
import { damaged } from './numbers.js';
import type { Subvolumes } from './subvolumes.js';
import type { ItemTree } from './item-tree.js';

/** A directory of a subvolume. */
export interface Directory {
  readonly treeId: number;
  readonly inode: number;
  readonly tree: ItemTree;
}

/** The entry of that (escaped) name: found by its hash, as the kernel does. */
export async function lookupEntry(
  subvolumes: Subvolumes,
  directory: Directory,
  name: string,
): Promise<DirectoryItem | undefined> {
  const bytes = unescapeName(name);
  if (bytes.length === 0 || bytes.length > MAX_NAME_BYTES || isDots(bytes)) return undefined;
  const item = await directory.tree.find({ objectId: directory.inode, type: KeyType.dirItem, offset: nameHash(bytes) });
  const entry = item === undefined ? undefined : parseDirItem(item.data).find((entry) => entry.name.equals(bytes));
  return entry === undefined ? undefined : itemOf(subvolumes, directory, entry);
}

/** All entries in the order in which they were made, which is how the kernel lists them; a leaf of the tree at a time. */
export async function* listEntries(
  subvolumes: Subvolumes,
  directory: Directory,
): AsyncGenerator<readonly DirectoryItem[]> {
  const { inode: objectId, tree } = directory;
  const type = KeyType.dirIndex;
  for await (const items of tree.batches({ objectId, type, offset: 0 }, { objectId, type, offset: -1 })) {
    const batch: DirectoryItem[] = [];
    for (const { data } of items) {
      for (const entry of parseDirItem(data)) {
        if (entry.name.length > 0 && !isDots(entry.name)) batch.push(await itemOf(subvolumes, directory, entry));
      }
    }
    yield batch;
  }
}

async function itemOf(subvolumes: Subvolumes, directory: Directory, entry: DirEntry): Promise<DirectoryItem> {
  const { location, name } = entry;
  const type = ENTRY_TYPES[entry.type];
  const item = { name: escapeName(name), ...(type === undefined ? {} : { type }) };
  if (location.objectId <= 0) throw damaged(`the name "${item.name}" leads nowhere`);
  if (location.type !== KeyType.rootItem) return { ...item, id: fileId(directory.treeId, location.objectId) };
  const stands = await subvolumes.stands(directory.treeId, directory.inode, name, location.objectId);
  const id = stands ? fileId(location.objectId, ObjectId.firstInode) : placeholderId(directory.treeId, directory.inode);
  return { ...item, id };
}

function isDots(name: Buffer): boolean {
  return name[0] === 0x2e && (name.length === 1 || (name.length === 2 && name[1] === 0x2e));
}
