import { type DirEntry, makeDirEntry, parseDirItem } from './dir-item.js';
import { nameHash } from './checksum.js';
import { extrefKey, type InodeRef, makeInodeRef, parseInodeRefs, refKey } from './inode-ref.js';
import { entryTypeOf } from './inode.js';
import { type Key } from './key.js';
import { HEADER_BYTES, ITEM_BYTES, KeyType } from './layout.js';
import { damaged, u64 } from './numbers.js';
import type { OverlayTree } from './overlay-tree.js';
import type { Item, ItemTree } from './item-tree.js';

/** Taking a name apart takes so much less than looking for an item. */
const NAMES_IN_STEP = 8;
const SIZE_AT = 16;
const NLINK_AT = 40;
const MODE_AT = 52;

/** Names and inodes of the subvolume into which a log is replayed. Times stay: the kernel sets those of the replay. */
export class ReplayLinks {
  readonly tree: OverlayTree;
  readonly #nodeBytes: number;

  constructor(tree: OverlayTree, nodeBytes: number) {
    this.tree = tree;
    this.#nodeBytes = nodeBytes;
  }

  /** The entries of a directory's item or of one of attributes; none without one. */
  entriesOf(item: Pick<Item, 'data'> | undefined): DirEntry[] {
    const entries = item === undefined ? [] : parseDirItem(item.data);
    this.tree.limits.step(entries.length / NAMES_IN_STEP);
    return entries;
  }

  /** The names in an item of an inode, of either kind; none without one. */
  refsOf(key: Key, item: Item | undefined): InodeRef[] {
    const refs = item === undefined ? [] : parseInodeRefs(key, item.data);
    this.tree.limits.step(refs.length / NAMES_IN_STEP);
    return refs;
  }

  /** The inode's item; undefined if there is no such inode. */
  async inode(inode: number): Promise<Buffer | undefined> {
    return (await this.tree.find(inodeKey(inode)))?.data;
  }

  /** @throws {UmbraError} FILESYSTEM_DAMAGED when there is no such inode */
  async edit(inode: number, change: (bytes: Buffer) => void): Promise<void> {
    const found = await this.inode(inode);
    if (found === undefined || found.length < MODE_AT + 4)
      throw damaged(`the log names the inode ${inode}, which is not there`);
    const bytes = Buffer.from(found);
    change(bytes);
    this.tree.set(inodeKey(inode), bytes);
  }

  async changeLinks(inode: number, by: number): Promise<void> {
    await this.edit(inode, (bytes) => {
      const links = bytes.readUInt32LE(NLINK_AT) + by;
      bytes.writeUInt32LE(Math.min(Math.max(0, links), 0xffffffff), NLINK_AT);
    });
  }

  /** Take a name away: from the directory, its index and the inode (btrfs_unlink_inode). */
  async unlink(directory: number, inode: number, name: Buffer): Promise<void> {
    await this.#removeEntry({ objectId: directory, type: KeyType.dirItem, offset: nameHash(name) }, name);
    const index =
      (await this.#removeRef(refKey(inode, directory), directory, name)) ??
      (await this.#removeRef(extrefKey(inode, directory, name), directory, name));
    if (index === undefined) throw damaged(`the inode ${inode} does not know one of its names`);
    this.tree.delete({ objectId: directory, type: KeyType.dirIndex, offset: index });
    await this.#resize(directory, -2 * name.length);
    await this.changeLinks(inode, -1);
  }

  /**
   * Add a name to a directory (btrfs_add_link).
   * @returns false if it is there already
   */
  async link(directory: number, inode: number, name: Buffer, index: number, withRef: boolean): Promise<boolean> {
    const key = { objectId: directory, type: KeyType.dirItem, offset: nameHash(name) };
    const known = await this.tree.find(key);
    if (this.entriesOf(known).some((entry) => entry.name.equals(name))) return false;
    const item = await this.inode(inode);
    if (item === undefined) return false;
    if (item.length < MODE_AT + 4) throw damaged(`the inode ${inode} is cut off`);
    const entry = makeDirEntry(inode, entryTypeOf(item.readUInt32LE(MODE_AT)), name);
    this.#append(key, known, entry);
    this.tree.set({ objectId: directory, type: KeyType.dirIndex, offset: index }, entry);
    if (withRef) await this.#addRef(inode, directory, name, index);
    await this.#resize(directory, 2 * name.length);
    return true;
  }

  /** The entry of a name in a directory. */
  async entry(directory: number, name: Buffer): Promise<DirEntry | undefined> {
    const item = await this.tree.find({ objectId: directory, type: KeyType.dirItem, offset: nameHash(name) });
    return this.entriesOf(item).find((entry) => entry.name.equals(name));
  }

  /** The entry at a place of a directory, if it has that name. */
  async indexed(tree: ItemTree, directory: number, index: number, name: Buffer): Promise<DirEntry | undefined> {
    const item = await tree.find({ objectId: directory, type: KeyType.dirIndex, offset: index });
    return this.entriesOf(item).find((entry) => entry.name.equals(name));
  }

  /** How many names an inode knows. */
  async countNames(inode: number): Promise<number> {
    let count = 0;
    const from = { objectId: inode, type: KeyType.inodeRef, offset: 0 };
    for await (const items of this.tree.batches(from, { objectId: inode, type: KeyType.inodeExtref, offset: -1 })) {
      for (const item of items) count += this.refsOf(item, item).length;
    }
    return count;
  }

  async #resize(directory: number, by: number): Promise<void> {
    await this.edit(directory, (bytes) => {
      bytes.writeBigUInt64LE(BigInt(Math.max(0, u64(bytes, SIZE_AT) + by)), SIZE_AT);
    });
  }

  async #removeEntry(key: Key, name: Buffer): Promise<void> {
    const item = await this.tree.find(key);
    const entries = this.entriesOf(item);
    const rest = entries.filter((entry) => !entry.name.equals(name));
    if (rest.length === entries.length) throw damaged('the log takes away a name that is not there');
    if (rest.length === 0) this.tree.delete(key);
    else this.tree.set(key, Buffer.concat(rest.map(({ raw }) => raw)));
  }

  /** @returns the place that the name had in the directory; undefined if the item has it not */
  async #removeRef(key: Key, parent: number, name: Buffer): Promise<number | undefined> {
    const item = await this.tree.find(key);
    const refs = this.refsOf(key, item);
    const found = refs.find((ref) => isRef(ref, parent, name));
    if (found === undefined) return undefined;
    const rest = refs.filter((ref) => ref !== found);
    if (rest.length === 0) this.tree.delete(key);
    else this.tree.set(key, Buffer.concat(rest.map(({ raw }) => raw)));
    return found.index;
  }

  async #addRef(inode: number, parent: number, name: Buffer, index: number): Promise<void> {
    const key = refKey(inode, parent);
    const known = await this.tree.find(key);
    const ref = makeInodeRef(index, name);
    if ((known?.data.length ?? 0) + ref.length <= this.#mostBytes) {
      this.#append(key, known, ref);
      return;
    }
    const extended = extrefKey(inode, parent, name);
    const head = Buffer.alloc(8);
    head.writeBigInt64LE(BigInt(parent));
    this.#append(extended, await this.tree.find(extended), Buffer.concat([head, ref]));
  }

  /** Add to an item what belongs to it by its hash; the kernel does that as long as it fits into a block (EOVERFLOW). */
  #append(key: Key, known: Item | undefined, entry: Buffer): void {
    const data = known === undefined ? entry : Buffer.concat([known.data, entry]);
    if (data.length > this.#mostBytes) throw damaged('the log has too many names of one hash');
    this.tree.set(key, data);
  }

  get #mostBytes(): number {
    return this.#nodeBytes - HEADER_BYTES - ITEM_BYTES;
  }
}

/** True if a reference is that of a name in a directory. */
function isRef(ref: InodeRef, parent: number, name: Buffer): boolean {
  return ref.parent === parent && ref.name.equals(name);
}

/** The key of an inode. */
export function inodeKey(inode: number): Key {
  return { objectId: inode, type: KeyType.inodeItem, offset: 0 };
}
