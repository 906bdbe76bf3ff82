import type { BlockMapping } from './block-mapping.js';

/** What a fast commit does to a name of a directory: the inode that it names now, or undefined if it is gone. */
export type EntryChange = { readonly inode: number } | undefined;

/** What the fast commits that follow a journal's last full commit change, by inode number. */
export interface FastCommitChanges {
  /** The inode as it is now. */
  inode(number: number): Buffer | undefined;
  /** Where its content stands now. */
  mapping(number: number): BlockMapping | undefined;
  /** The names that differ from those on the disk; keys are the names' bytes as latin1. */
  entries(directory: number): ReadonlyMap<string, EntryChange> | undefined;
}
