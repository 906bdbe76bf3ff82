/** What an inode's fork (of data or attributes) is made of (`di_format`, `di_aformat`). */
export type ForkFormat = 'device' | 'local' | 'extents' | 'btree';

export interface Fork {
  readonly format: ForkFormat;
  /** The fork's part of the inode: the data itself, the list of extents, or the root of their tree. */
  readonly bytes: Buffer;
  readonly extentCount: number;
}

const FORMATS: readonly (ForkFormat | undefined)[] = ['device', 'local', 'extents', 'btree'];

/** The format of that number; undefined if there is none. */
export function forkFormat(format: number): ForkFormat | undefined {
  return FORMATS[format];
}
