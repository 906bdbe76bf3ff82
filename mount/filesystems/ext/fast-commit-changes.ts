import type { BlockMapping } from './block-mapping.js';

/** What fast commits do to one name of a directory. */
export interface EntryChange {
  /** The name is gone if it names this inode on the disk. */
  readonly removed: number | undefined;
  /** The name names this inode now, unless it is on the disk and stays. */
  readonly added: number | undefined;
}

/** What fast commits do to a directory. */
export interface DirectoryChanges {
  /** What stands on the disk is not the directory's. */
  readonly isNew: boolean;
  /** By the names' bytes as latin1. */
  readonly names: ReadonlyMap<string, EntryChange>;
}

/** What the fast commits that follow a journal's last full commit change, by inode number. */
export interface FastCommitChanges {
  /** The inode as it is now. */
  inode(number: number): Buffer | undefined;
  /** Where its content stands now. */
  mapping(number: number): BlockMapping | undefined;
  entries(directory: number): DirectoryChanges | undefined;
  /** What all of it takes in memory. */
  readonly memoryBytes: number;
}
