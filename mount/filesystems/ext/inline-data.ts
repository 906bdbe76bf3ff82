import { FLAG, type Inode } from './inode.js';
import type { Volume } from './volume.js';
import { inlineRest } from './xattrs.js';

/** True if the content stands in the inode. */
export function hasInlineData({ flags }: Inode): boolean {
  return (flags & FLAG.INLINE_DATA) !== 0;
}

/** The content of an inode that has it inside: what i_block holds, and the rest from among the attributes. */
export async function inlineParts(volume: Volume, inode: Inode): Promise<readonly [Buffer, Uint8Array]> {
  return [inode.block, (await inlineRest(volume, inode)) ?? new Uint8Array()];
}
