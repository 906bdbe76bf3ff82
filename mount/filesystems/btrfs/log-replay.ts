import { Lru } from '../lru.js';
import { extrefKey, type InodeRef, refKey } from './inode-ref.js';
import type { Key } from './key.js';
import { KeyType, ObjectId } from './layout.js';
import { damaged, id64 } from './numbers.js';
import { tooLong } from './overlay-tree.js';
import { type ExtentReplay, replayExtent, truncateExtents } from './replay-extents.js';
import { inodeKey, type ReplayLinks } from './replay-links.js';
import type { Item, ItemTree } from './item-tree.js';

/** How many subvolumes a log may be of. */
const MAX_LOGS = 1000;
/** So many of the log's items of names are kept taken apart. */
const RECENT_ITEMS = 16;
const NBYTES_AT = 24;
const SIZE_AT = 16;
const NLINK_AT = 40;
const MODE_AT = 52;
const INODE_BYTES = 160;
const TYPE_DIRECTORY = 2;

/**
 * Replays the log of one subvolume: what was synchronised since the last commit. It does what fs/btrfs/tree-log.c of
 * Linux does when it mounts, in its three walks over the log: inodes, then the indexes of directories, then the rest.
 */
export class LogReplay {
  readonly #log: ItemTree;
  readonly #links: ReplayLinks;
  readonly #extents: ExtentReplay;
  /** The names in items of the log that were looked at last. */
  readonly #logged = new Lru<string, ReadonlySet<string>>(RECENT_ITEMS);
  /** Inodes whose links are counted at the end. */
  #recount = new Set<number>();

  constructor(log: ItemTree, extents: ExtentReplay) {
    this.#log = log;
    this.#links = extents.links;
    this.#extents = extents;
  }

  async run(): Promise<void> {
    await this.#walk((item) => this.#replayInode(item));
    await this.#walk((item) => this.#replayIndex(item));
    await this.#walk((item) => this.#replayRest(item));
    while (this.#recount.size > 0) {
      const inodes = [...this.#recount].sort((a, b) => b - a);
      this.#recount = new Set();
      for (const inode of inodes) await this.#countLinks(inode);
    }
  }

  /** All items of the log but those of inodes that have no name any more. */
  async #walk(replay: (item: Item) => Promise<void>): Promise<void> {
    let ignored = false;
    const first = { objectId: 0, type: 0, offset: 0 };
    for await (const items of this.#log.batches(first, { objectId: -1, type: 255, offset: -1 })) {
      this.#links.tree.limits.step(items.length);
      for (const item of items) {
        if (item.objectId < 0) return;
        if (item.type === KeyType.inodeItem) {
          if (item.data.length < INODE_BYTES) throw damaged('an inode of the log is cut off');
          ignored = item.data.readUInt32LE(NLINK_AT) === 0;
        }
        if (!ignored) await replay(item);
      }
    }
  }

  async #replayInode(item: Item): Promise<void> {
    if (item.type !== KeyType.inodeItem) return;
    const { objectId: inode, data } = item;
    const mode = data.readUInt32LE(MODE_AT);
    await this.#deleteXattrs(inode);
    if (isDirectory(mode)) await this.#deleteNames(inode);
    await this.#overwriteInode(item);
    if (isRegular(mode)) await truncateExtents(this.#extents, inode);
    await this.#linkToRecount(inode);
  }

  async #replayIndex(item: Item): Promise<void> {
    if (item.type !== KeyType.dirIndex) return;
    const [entry] = this.#links.entriesOf(item);
    if (entry === undefined) throw damaged('an entry of the log is empty');
    const added = await this.#replayName(item, entry.name, entry.location.objectId);
    if (added && entry.type !== TYPE_DIRECTORY) await this.#linkToRecount(entry.location.objectId);
  }

  async #replayRest(item: Item): Promise<void> {
    const { type } = item;
    if (type === KeyType.xattr) this.#links.tree.set(item, Buffer.from(item.data));
    else if (type === KeyType.inodeRef || type === KeyType.inodeExtref) await this.#replayRefs(item);
    else if (type === KeyType.extentData) await replayExtent(this.#extents, item);
  }

  /** @returns true if the name was added (replay_one_name) */
  async #replayName({ objectId: directory, offset: index }: Item, name: Buffer, inode: number): Promise<boolean> {
    const links = this.#links;
    const exists = (await links.inode(inode)) !== undefined;
    let matching = 0;
    for (const find of [() => links.entry(directory, name), () => links.indexed(links.tree, directory, index, name)]) {
      const found = await find();
      if (found?.location.objectId === inode && found.location.type === KeyType.inodeItem) matching++;
      else if (found !== undefined && exists) await this.#dropEntry(directory, found.location.objectId, name);
    }
    if (matching === 2 || (await this.#isNamedInLog(inode, directory, name)) || !exists) return false;
    return links.link(directory, inode, name, index, true);
  }

  /** True if the inode's names in the log have this one: it is added with them. */
  async #isNamedInLog(inode: number, parent: number, name: Buffer): Promise<boolean> {
    for (const key of [refKey(inode, parent), extrefKey(inode, parent, name)]) {
      if ((await this.#namesInLog(key)).has(nameKey({ parent, name }))) return true;
    }
    return false;
  }

  /** The names that the log has in an item of an inode. It is asked for each of them: it is taken apart once. */
  async #namesInLog(key: Key): Promise<ReadonlySet<string>> {
    const id = `${key.objectId} ${key.type} ${key.offset}`;
    const known = this.#logged.get(id);
    if (known !== undefined) return known;
    const refs = this.#links.refsOf(key, await this.#log.find(key));
    return this.#logged.set(id, new Set(refs.map(nameKey)));
  }

  /** Take a name away that stands in the way of one of the log (drop_one_dir_item). */
  async #dropEntry(directory: number, inode: number, name: Buffer): Promise<void> {
    await this.#linkToRecount(inode);
    await this.#links.unlink(directory, inode, name);
  }

  async #replayRefs(item: Item): Promise<void> {
    const logged = this.#links.refsOf(item, item);
    const checked = new Set<number>();
    const isExtended = item.type === KeyType.inodeExtref;
    if (!isExtended && (await this.#links.inode(item.offset)) === undefined) return;
    for (const ref of logged) {
      if ((await this.#links.inode(ref.parent)) === undefined) continue;
      if (!(await this.#addName(item.objectId, ref, checked))) return;
    }
    await this.#dropOldRefs(item, logged);
    this.#links.tree.set(item, Buffer.from(item.data));
  }

  /**
   * @param checked directories whose names of this inode are all in the log by now
   * @returns false for the reference of a top directory to itself (__add_inode_ref)
   */
  async #addName(inode: number, { parent, index, name }: InodeRef, checked: Set<number>): Promise<boolean> {
    const links = this.#links;
    const indexed = await links.indexed(links.tree, parent, index, name);
    const entry = await links.entry(parent, name);
    if (indexed?.location.objectId === inode && entry?.location.objectId === inode) return true;
    const key = refKey(inode, parent);
    if (inode === parent && (await links.tree.find(key)) !== undefined) return false;
    if (!checked.has(parent)) await this.#unlinkRefsNotInLog(key, parent);
    checked.add(parent);
    await this.#unlinkRefsNotInLog(extrefKey(inode, parent, name), parent);
    const again = await links.indexed(links.tree, parent, index, name);
    if (again !== undefined) await this.#dropEntry(parent, again.location.objectId, name);
    const conflicting = await links.entry(parent, name);
    if (conflicting !== undefined) await this.#dropEntry(parent, conflicting.location.objectId, name);
    await links.link(parent, inode, name, index, false);
    return true;
  }

  /** Names that the inode has in the subvolume and not in the log are gone. */
  async #unlinkRefsNotInLog(key: Key, parent: number): Promise<void> {
    const refs = this.#links.refsOf(key, await this.#links.tree.find(key));
    if (refs.length === 0) return;
    const logged = await this.#namesInLog(key);
    for (const ref of refs) {
      if (ref.parent !== parent || logged.has(nameKey(ref))) continue;
      await this.#links.changeLinks(key.objectId, 1);
      await this.#links.unlink(parent, key.objectId, ref.name);
    }
  }

  /** The same for the item that is about to be overwritten (unlink_old_inode_refs). */
  async #dropOldRefs(item: Item, logged: readonly InodeRef[]): Promise<void> {
    const names = new Set(logged.map(nameKey));
    for (const ref of this.#links.refsOf(item, await this.#links.tree.find(item))) {
      if (!names.has(nameKey(ref))) await this.#links.unlink(ref.parent, item.objectId, ref.name);
    }
  }

  /** Write the log's inode over the one that is there (overwrite_item). */
  async #overwriteInode(item: Item): Promise<void> {
    const known = await this.#links.inode(item.objectId);
    if (known?.equals(item.data) === true) return;
    const bytes = Buffer.from(item.data);
    const mode = bytes.readUInt32LE(MODE_AT);
    const knownMode = known === undefined || known.length < INODE_BYTES ? 0 : known.readUInt32LE(MODE_AT);
    if (known === undefined || known.length < INODE_BYTES) {
      bytes.writeBigUInt64LE(0n, NBYTES_AT);
      if (isDirectory(mode)) bytes.writeBigUInt64LE(0n, SIZE_AT);
    } else if (bytes.readBigUInt64LE(0) === 0n) {
      // Generation 0: it was logged only so that it exists.
      const size = bytes.readBigUInt64LE(SIZE_AT);
      known.copy(bytes);
      if (isRegular(mode) && isRegular(knownMode) && size !== 0n) bytes.writeBigUInt64LE(size, SIZE_AT);
    } else {
      known.copy(bytes, NBYTES_AT, NBYTES_AT, NBYTES_AT + 8);
      if (isDirectory(mode) && isDirectory(knownMode)) known.copy(bytes, SIZE_AT, SIZE_AT, SIZE_AT + 8);
    }
    this.#links.tree.set(inodeKey(item.objectId), bytes);
  }

  /** Attributes that the log does not have are gone. */
  async #deleteXattrs(inode: number): Promise<void> {
    const from = { objectId: inode, type: KeyType.xattr, offset: 0 };
    for await (const items of this.#links.tree.batches(from, { ...from, offset: -1 })) {
      for (const item of items) {
        const logged = this.#links.entriesOf(await this.#log.find(item));
        const names = new Set(logged.map(({ name }) => name.toString('latin1')));
        const entries = this.#links.entriesOf(item);
        const rest = entries.filter(({ name }) => names.has(name.toString('latin1')));
        if (rest.length === 0) this.#links.tree.delete(item);
        else if (rest.length < entries.length) this.#links.tree.set(item, Buffer.concat(rest.map(({ raw }) => raw)));
      }
    }
  }

  /** Names in the ranges that the log speaks for, and not in the log, are gone (replay_dir_deletes). */
  async #deleteNames(directory: number): Promise<void> {
    if ((await this.#links.inode(directory)) === undefined) return;
    const from = { objectId: directory, type: KeyType.dirLogIndex, offset: 0 };
    for await (const ranges of this.#log.batches(from, { ...from, offset: -1 })) {
      for (const { offset, data } of ranges) {
        if (data.length < 8) throw damaged('a range of the log is cut off');
        await this.#deleteRange(directory, offset, id64(data, 0), this.#log);
      }
    }
  }

  async #deleteRange(directory: number, start: number, end: number, log: ItemTree | undefined): Promise<void> {
    const from = { objectId: directory, type: KeyType.dirIndex, offset: start };
    for await (const items of this.#links.tree.batches(from, { ...from, offset: end })) {
      for (const { offset, data } of items) {
        const [entry] = this.#links.entriesOf({ data });
        if (entry === undefined) throw damaged('an entry of a directory is empty');
        const isKept =
          log !== undefined && (await this.#links.indexed(log, directory, offset, entry.name)) !== undefined;
        if (isKept) continue;
        await this.#linkToRecount(entry.location.objectId);
        await this.#links.changeLinks(entry.location.objectId, 1);
        await this.#links.unlink(directory, entry.location.objectId, entry.name);
      }
    }
  }

  async #linkToRecount(inode: number): Promise<void> {
    if (this.#recount.has(inode)) return;
    await this.#links.changeLinks(inode, 1);
    this.#recount.add(inode);
  }

  /** An inode has as many links as it has names; a directory without one loses all that is in it. */
  async #countLinks(inode: number): Promise<void> {
    const count = await this.#links.countNames(inode);
    await this.#links.edit(inode, (bytes) => bytes.writeUInt32LE(count, NLINK_AT));
    if (count > 0) return;
    const bytes = await this.#links.inode(inode);
    if (bytes !== undefined && isDirectory(bytes.readUInt32LE(MODE_AT)))
      await this.#deleteRange(inode, 0, -1, undefined);
  }
}

/** A name in a directory, as it can be looked up in a set. */
function nameKey({ parent, name }: Pick<InodeRef, 'parent' | 'name'>): string {
  return `${parent}/${name.toString('latin1')}`;
}

function isDirectory(mode: number): boolean {
  return (mode & 0o170000) === 0o040000;
}

function isRegular(mode: number): boolean {
  return (mode & 0o170000) === 0o100000;
}

/**
 * The numbers of the subvolumes that a log has something of, with their items, the last one first.
 * @throws {UmbraError} FILESYSTEM_UNREADABLE when they are too many
 */
export async function loggedSubvolumes(logRoots: ItemTree): Promise<Item[]> {
  const roots: Item[] = [];
  const from = { objectId: ObjectId.treeLog, type: KeyType.rootItem, offset: 0 };
  for await (const items of logRoots.batches(from, { ...from, offset: -1 })) {
    roots.push(...items);
    if (roots.length > MAX_LOGS) throw tooLong();
  }
  return roots.reverse();
}
