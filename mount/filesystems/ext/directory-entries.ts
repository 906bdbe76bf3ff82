import type { FileType } from '../filesystem.js';

const HEADER_BYTES = 8;
/** The smallest entry: a name of one byte. */
const MIN_BYTES = 12;
/** What follows the name in directories that are both encrypted and folded: its hash. */
const HASH_BYTES = 8;

const TYPES: readonly (FileType | undefined)[] = [
  undefined,
  'file',
  'directory',
  'character-device',
  'block-device',
  'fifo',
  'socket',
  'symlink',
];

/** An entry of a directory as it is stored. */
export interface StoredEntry {
  readonly inode: number;
  /** A view of the block. */
  readonly name: Buffer;
  readonly type: FileType | undefined;
  /** The name's hash and its minor hash, if the entry holds them. */
  readonly hash: readonly [number, number] | undefined;
}

/** What a directory's entries are checked against. */
export interface EntryRules {
  readonly inodesCount: number;
  readonly hasTypes: boolean;
  readonly hasHashes: boolean;
}

/**
 * Look at the entries of a block of a directory, but not at free ones, `.` and `..`, until `visit` returns true.
 * @returns false if the block is damaged, as ext4_check_dir_entry() has it: what follows the damage is not seen
 */
export function scanEntries(block: Buffer, rules: EntryRules, visit: (entry: StoredEntry) => boolean): boolean {
  for (let at = 0; at < block.length;) {
    if (at + HEADER_BYTES > block.length) return false;
    const length = recordBytes(block, at);
    const nameBytes = block.readUInt8(at + 6);
    const inode = block.readUInt32LE(at);
    const hashBytes = rules.hasHashes && !isDots(block, at, nameBytes) ? HASH_BYTES : 0;
    const needed = Math.max(MIN_BYTES, HEADER_BYTES + ((nameBytes + 3) & ~3));
    if (length < needed || length % 4 !== 0 || at + length > block.length || inode > rules.inodesCount) return false;
    if (inode !== 0 && !isDots(block, at, nameBytes)) {
      if (nameBytes === 0 || length < needed + hashBytes) return false;
      if (visit(entryAt(block, at, nameBytes, rules))) return true;
    }
    at += length;
  }
  return true;
}

function entryAt(block: Buffer, at: number, nameBytes: number, rules: EntryRules): StoredEntry {
  const hashAt = at + HEADER_BYTES + ((nameBytes + 3) & ~3);
  return {
    inode: block.readUInt32LE(at),
    name: block.subarray(at + HEADER_BYTES, at + HEADER_BYTES + nameBytes),
    type: rules.hasTypes ? TYPES[block.readUInt8(at + 7) & 0x0f] : undefined,
    hash: rules.hasHashes ? [block.readUInt32LE(hashAt), block.readUInt32LE(hashAt + 4)] : undefined,
  };
}

/** The length of the entry at `at`: with blocks of 64 KiB it does not fit into sixteen bits as it is. */
export function recordBytes(block: Buffer, at: number): number {
  const stored = block.readUInt16LE(at + 4);
  if (block.length < 65_536) return stored;
  if (stored === 65_535 || stored === 0) return 65_536;
  return (stored & 65_532) | ((stored & 3) << 16);
}

function isDots(block: Buffer, at: number, nameBytes: number): boolean {
  if (nameBytes > 2 || nameBytes === 0 || block[at + HEADER_BYTES] !== 0x2e) return false;
  return nameBytes === 1 || block[at + HEADER_BYTES + 1] === 0x2e;
}
