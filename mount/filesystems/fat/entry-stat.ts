import type { FileStat } from '../filesystem.js';
import { hasDosAttributes, permissionsOf } from './dos-attributes.js';

/** What an entry says of a file beside its content. */
export interface EntryFacts {
  readonly attributes: number;
  readonly isDirectory: boolean;
  readonly mtimeNs: bigint;
  readonly atimeNs: bigint;
  /** Undefined if it was not recorded. */
  readonly birthNs: bigint | undefined;
}

export interface Size {
  readonly sizeBytes: number;
  readonly clusterBytes: number;
  /** Links of a directory: its name, itself, and the parent of each directory in it. */
  readonly nlink: number;
}

/** A file as Linux shows it: it has no owner, and when its entry changed is not recorded. */
export function statOf(entry: EntryFacts, { sizeBytes, clusterBytes, nlink }: Size): FileStat {
  return {
    type: entry.isDirectory ? 'directory' : 'file',
    permissions: permissionsOf(entry.attributes),
    nlink,
    uid: 0,
    gid: 0,
    sizeBytes,
    blocks: (Math.ceil(sizeBytes / clusterBytes) * clusterBytes) / 512,
    mtimeNs: entry.mtimeNs,
    atimeNs: entry.atimeNs,
    ctimeNs: entry.mtimeNs,
    ...(entry.birthNs !== undefined && { birthNs: entry.birthNs }),
    mayHaveXattrs: hasDosAttributes(entry.attributes),
  };
}
