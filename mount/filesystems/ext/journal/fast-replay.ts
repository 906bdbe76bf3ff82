import { isUmbraError } from '../../../../src/common/errors.js';
import type { BlockMapping, Run } from '../block-mapping.js';
import { parseExtent } from '../extent-tree.js';
import type { DirectoryChanges, FastCommitChanges } from '../fast-commit-changes.js';
import { FLAG, inodeChecksum, OLD_INODE_BYTES, parseInode } from '../inode.js';
import { mappingOf } from '../mapping.js';
import { PatchedMapping } from '../patched-mapping.js';
import { areDataBlocks, type Volume } from '../volume.js';
import { damaged } from '../errors.js';
import { type FastTag, fastCommitTags, TAG } from './fast-scan.js';
import type { FastCommitArea } from './replay.js';

const AT = { MODE: 0, NLINK: 26, FLAGS: 32, BLOCK: 40, BLOCK_END: 100, CHECKSUM: 124, CHECKSUM_HIGH: 130 } as const;
const TYPE_MASK = 0o170000;
const DIRECTORY = 0o040000;
const EXTENTS_MAGIC = 0xf30a;
const ROOT_EXTENTS = 4;
/** How a directory stands on the disk is told by what stands there, not by the log. */
const KEPT_FLAGS = FLAG.INDEX | FLAG.EXTENTS | FLAG.INLINE_DATA;

/**
 * What the fast commits after the log change (fs/ext4/fast_commit.c); undefined if there are none. The kernel writes
 * inodes, extents and directory blocks of its own for them; here they are kept beside the volume.
 * @param volume with the full commits replayed
 * @throws {UmbraError} FILESYSTEM_DAMAGED when they change more than can be kept
 */
export async function replayFastCommits(volume: Volume, area: FastCommitArea): Promise<FastCommitChanges | undefined> {
  let replay: FastReplay | undefined;
  for await (const tag of fastCommitTags(area)) await (replay ??= new FastReplay(volume)).apply(tag);
  return await replay?.finish();
}

/** What is kept at most: an inode can have many times the bytes of its record in the log. */
const MAX_KEPT_BYTES = 64 * 1024 * 1024;
/** What an entry of a map takes besides its bytes, about. */
const ENTRY_BYTES = 200;
const RUN_BYTES = 100;

interface NameChange {
  removed: number | undefined;
  added: number | undefined;
}

class FastReplay {
  readonly #volume: Volume;
  readonly #inodes = new Map<number, Buffer>();
  readonly #runs = new Map<number, Run[]>();
  readonly #directories = new Map<number, { isNew: boolean; names: Map<string, NameChange> }>();

  #keptBytes = 0;

  constructor(volume: Volume) {
    this.#volume = volume;
  }

  async apply({ kind, value }: FastTag): Promise<void> {
    if (kind === TAG.INODE) await this.#applyInode(value.readUInt32LE(0), value.subarray(4));
    else if (kind === TAG.ADD_RANGE || kind === TAG.DEL_RANGE) this.#applyRange(kind, value);
    else await this.#applyName(kind, value.readUInt32LE(0), value.readUInt32LE(4), value.toString('latin1', 8));
  }

  async finish(): Promise<FastCommitChanges> {
    const mappings = new Map<number, BlockMapping>();
    for (const [number, bytes] of this.#inodes) this.#seal(number, bytes);
    for (const [number, runs] of this.#runs) {
      const mapping = await this.#mapping(number, runs);
      if (mapping !== undefined) mappings.set(number, mapping);
    }
    return {
      inode: (number) => this.#inodes.get(number),
      mapping: (number) => mappings.get(number),
      entries: (directory): DirectoryChanges | undefined => this.#directories.get(directory),
      memoryBytes: this.#keptBytes,
    };
  }

  #keep(bytes: number): void {
    this.#keptBytes += bytes;
    if (this.#keptBytes > MAX_KEPT_BYTES) throw damaged('they change more than can be kept in memory');
  }

  #setInode(number: number, bytes: Buffer): void {
    if (!this.#inodes.has(number)) this.#keep(bytes.length + ENTRY_BYTES);
    this.#inodes.set(number, bytes);
  }

  /** All of the inode is in the log but what says where its content stands, and what follows its fields. */
  async #applyInode(number: number, logged: Buffer): Promise<void> {
    const before = await this.#bytes(number);
    if (before === undefined) return;
    const bytes = Buffer.from(before);
    logged.copy(bytes, 0, 0, AT.BLOCK);
    logged.copy(bytes, AT.BLOCK_END, AT.BLOCK_END, Math.min(logged.length, bytes.length));
    const isDirectory = (bytes.readUInt16LE(AT.MODE) & TYPE_MASK) === DIRECTORY;
    const wasDirectory = (before.readUInt16LE(AT.MODE) & TYPE_MASK) === DIRECTORY && before.readUInt16LE(AT.NLINK) > 0;
    if (isDirectory && wasDirectory) {
      const kept = before.readUInt32LE(AT.FLAGS) & KEPT_FLAGS;
      bytes.writeUInt32LE(((bytes.readUInt32LE(AT.FLAGS) & ~KEPT_FLAGS) | kept) >>> 0, AT.FLAGS);
    }
    const flags = bytes.readUInt32LE(AT.FLAGS);
    if ((flags & FLAG.EXTENTS) !== 0) ensureExtents(bytes);
    else if ((flags & FLAG.INLINE_DATA) !== 0 && !isDirectory) logged.copy(bytes, AT.BLOCK, AT.BLOCK, AT.BLOCK_END);
    this.#setInode(number, bytes);
  }

  #applyRange(kind: number, value: Buffer): void {
    const number = value.readUInt32LE(0);
    let run: Run;
    if (kind === TAG.ADD_RANGE) {
      const { start, length, physical, isWritten } = parseExtent(value, 4);
      const isThere = areDataBlocks(this.#volume.superblock, physical, length);
      run = { start, length, physical: isWritten && isThere ? physical : undefined };
    } else run = { start: value.readUInt32LE(4), length: value.readUInt32LE(8), physical: undefined };
    if (run.length === 0) return;
    this.#keep(RUN_BYTES);
    const runs = this.#runs.get(number);
    if (runs === undefined) this.#runs.set(number, [run]);
    else runs.push(run);
  }

  async #applyName(kind: number, directory: number, inode: number, name: string): Promise<void> {
    const bytes = await this.#used(inode);
    if (bytes === undefined) return;
    const isNewDirectory = kind === TAG.CREAT && (bytes.readUInt16LE(AT.MODE) & TYPE_MASK) === DIRECTORY;
    if (isNewDirectory) {
      this.#keep(ENTRY_BYTES);
      this.#directories.set(inode, { isNew: true, names: new Map() });
    }
    const change = this.#change(directory, name);
    if (kind !== TAG.UNLINK) {
      change.added ??= inode;
      this.#setLinks(inode, bytes, kind === TAG.CREAT ? 1 : bytes.readUInt16LE(AT.NLINK) + 1);
      return;
    }
    if (change.added === inode) change.added = undefined;
    else if (change.added === undefined) change.removed ??= inode;
    this.#setLinks(inode, bytes, bytes.readUInt16LE(AT.NLINK) - 1);
  }

  #change(directory: number, name: string): NameChange {
    let changes = this.#directories.get(directory);
    if (changes === undefined) this.#keep(ENTRY_BYTES);
    if (changes === undefined) this.#directories.set(directory, (changes = { isNew: false, names: new Map() }));
    let change = changes.names.get(name);
    if (change === undefined) this.#keep(ENTRY_BYTES + name.length);
    if (change === undefined) changes.names.set(name, (change = { removed: undefined, added: undefined }));
    return change;
  }

  /**
   * The records of inodes that follow have the number; until then it says whether the inode is in use. One without links
   * loses its content, before another file takes it.
   */
  #setLinks(number: number, bytes: Buffer, links: number): void {
    const changed = Buffer.from(bytes);
    if (links === 0) {
      changed.fill(0, AT.BLOCK, AT.BLOCK_END);
      this.#runs.delete(number);
    }
    changed.writeUInt16LE(Math.min(links, 0xffff), AT.NLINK);
    this.#setInode(number, changed);
  }

  /** An inode as it is by now; undefined if there is none of that number. */
  async #bytes(number: number): Promise<Buffer | undefined> {
    const changed = this.#inodes.get(number);
    if (changed !== undefined) return changed;
    try {
      return await this.#volume.inodes.bytes(number);
    } catch (error) {
      if (isUmbraError(error, 'FILESYSTEM_DAMAGED')) return undefined;
      throw error;
    }
  }

  async #used(number: number): Promise<Buffer | undefined> {
    const bytes = await this.#bytes(number);
    return bytes?.readUInt16LE(AT.MODE) !== 0 && bytes?.readUInt16LE(AT.NLINK) !== 0 ? bytes : undefined;
  }

  async #mapping(number: number, runs: readonly Run[]): Promise<BlockMapping | undefined> {
    const bytes = await this.#used(number);
    if (bytes === undefined) return undefined;
    try {
      const inode = parseInode(this.#volume.superblock, number, Buffer.from(bytes));
      return new PatchedMapping(mappingOf(this.#volume, inode), runs);
    } catch (error) {
      if (isUmbraError(error, 'FILESYSTEM_DAMAGED')) return undefined;
      throw error;
    }
  }

  /** Give a changed inode the checksum that it has to have. */
  #seal(number: number, bytes: Buffer): void {
    const extraBytes = bytes.length > OLD_INODE_BYTES ? bytes.readUInt16LE(OLD_INODE_BYTES) : 0;
    const checksum = inodeChecksum(this.#volume.superblock, number, bytes, extraBytes);
    bytes.writeUInt16LE(checksum & 0xffff, AT.CHECKSUM);
    if (extraBytes >= 4) bytes.writeUInt16LE(checksum >>> 16, AT.CHECKSUM_HIGH);
  }
}

/** An inode that had no extents yet gets an empty tree. */
function ensureExtents(bytes: Buffer): void {
  if (bytes.readUInt16LE(AT.BLOCK) === EXTENTS_MAGIC) return;
  bytes.fill(0, AT.BLOCK, AT.BLOCK + 12);
  bytes.writeUInt16LE(EXTENTS_MAGIC, AT.BLOCK);
  bytes.writeUInt16LE(ROOT_EXTENTS, AT.BLOCK + 4);
}
