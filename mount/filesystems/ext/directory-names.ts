import { escapeName, unescapeName } from '../names.js';
import { foldName } from './casefold.js';
import type { StoredEntry } from './directory-entries.js';
import { type HashRules, hashOfName, type NameHash } from './hash.js';
import { FLAG, type Inode } from './inode.js';
import { decodeNokey, encodeNokey, isWholeName, nokeyBytes } from './nokey-name.js';

const MAX_NAME_BYTES = 255;

/** A name that is looked for. */
export interface WantedName {
  /** An entry is meant if it has this key. */
  readonly key: Buffer;
  /** Its hash in the directory's index; undefined if that cannot be known. */
  readonly hash: (rules: HashRules) => number | undefined;
}

/** How the names of a directory are shown and found. */
export interface DirectoryNames {
  /** True if an entry's key is its name as it stands in the block. */
  readonly areVerbatim: boolean;
  readonly show: (entry: StoredEntry) => string;
  readonly key: (entry: StoredEntry) => Buffer;
  /** Undefined for what cannot be a name here. */
  readonly wanted: (name: string) => WantedName | undefined;
}

/** @param listed the rules by which the kernel hashes the names that it lists; undefined if it does not */
export function namesOf({ flags }: Inode, listed: HashRules | undefined): DirectoryNames {
  if ((flags & FLAG.ENCRYPT) !== 0) return encryptedNames(listed);
  return (flags & FLAG.CASEFOLD) === 0 ? PLAIN : FOLDED;
}

/** The bytes of a name in its one escaped form. */
function bytesOf(name: string): Buffer | undefined {
  const bytes = unescapeName(name);
  if (bytes.length === 0 || bytes.length > MAX_NAME_BYTES) return undefined;
  return !name.includes('\\') || escapeName(bytes) === name ? bytes : undefined;
}

const PLAIN: DirectoryNames = {
  areVerbatim: true,
  show: ({ name }) => escapeName(name),
  key: ({ name }) => name,
  wanted(name) {
    const key = bytesOf(name);
    return key === undefined ? undefined : { key, hash: (rules) => hashOfName(key, rules)?.[0] };
  },
};

const FOLDED: DirectoryNames = {
  areVerbatim: false,
  show: PLAIN.show,
  key: ({ name }) => foldName(name),
  wanted(name) {
    const bytes = bytesOf(name);
    if (bytes === undefined) return undefined;
    const key = foldName(bytes);
    // Letters outside of ASCII may fold differently where the index was made: all blocks are looked at then.
    const isAscii = bytes.every((byte) => byte < 0x80);
    return { key, hash: (rules) => (isAscii ? hashOfName(key, rules)?.[0] : undefined) };
  },
};

/** Without the key there are only the encrypted bytes: shown, as the kernel does, in base64 behind their hash. */
function encryptedNames(listed: HashRules | undefined): DirectoryNames {
  const hash = ({ name, hash }: StoredEntry): NameHash =>
    hash ?? (listed === undefined ? undefined : hashOfName(name, listed)) ?? [0, 0];
  return {
    areVerbatim: false,
    show: (entry) => encodeNokey(entry.name, hash(entry)),
    key: ({ name }) => nokeyBytes(name),
    wanted(name) {
      const decoded = decodeNokey(name);
      if (decoded === undefined) return undefined;
      const { bytes, hash } = decoded;
      return {
        key: bytes,
        hash: (rules) => (isWholeName(decoded) ? hashOfName(bytes, rules)?.[0] : undefined) ?? (hash[0] || undefined),
      };
    },
  };
}
