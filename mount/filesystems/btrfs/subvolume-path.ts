import { escapeName } from '../names.js';
import { parseInodeRefs } from './inode-ref.js';
import { KeyType, ObjectId } from './layout.js';
import { isFilesystemError } from './numbers.js';
import type { Subvolumes } from './subvolumes.js';

/** More steps than the kernel's longest path has. */
const MAX_STEPS = 2048;

/** The path of a subvolume below the top level; its number in words if it cannot be found. */
export async function subvolumePath(subvolumes: Subvolumes, id: number): Promise<string> {
  try {
    const names = await pathNames(subvolumes, id);
    if (names !== undefined) return `/${names.map((name) => escapeName(name)).join('/')}`;
  } catch (error) {
    if (!isFilesystemError(error)) throw error;
  }
  return `number ${id}`;
}

async function pathNames(subvolumes: Subvolumes, id: number): Promise<Buffer[] | undefined> {
  const names: Buffer[] = [];
  let step = { subvolume: id, directory: ObjectId.firstInode as number };
  while (names.length < MAX_STEPS) {
    if (step.directory !== ObjectId.firstInode) {
      const tree = await subvolumes.tree(step.subvolume);
      const item = await tree.floor({ objectId: step.directory, type: KeyType.inodeRef, offset: -1 });
      const [ref] = item?.objectId === step.directory ? parseInodeRefs(item, item.data) : [];
      if (ref === undefined) return undefined;
      names.unshift(ref.name);
      step = { ...step, directory: ref.parent };
    } else if (step.subvolume === ObjectId.topLevel) return names;
    else {
      const place = await subvolumes.place(step.subvolume);
      if (place === undefined) return undefined;
      names.unshift(place.name);
      step = { subvolume: place.parent, directory: place.directory };
    }
  }
  return undefined;
}
