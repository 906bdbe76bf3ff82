/** What an item of the log is (`XFS_LI_…`). */
export const ITEM = {
  inode: 0x123b,
  buffer: 0x123c,
  inodeCreate: 0x123f,
} as const;

/** Changes of files that are logged as an intent, done later, and logged as done: their numbers, by what they are. */
export const INTENTS: Readonly<Record<number, { readonly done: number; readonly what: string }>> = {
  0x1244: { done: 0x1245, what: 'changes of the blocks of files (BUI)' },
  0x1246: { done: 0x1247, what: 'changes of extended attributes (ATTRI)' },
  0x1248: { done: 0x1249, what: 'exchanges of the blocks of two files (XMI)' },
};

/**
 * Items that change nothing one sees: extents freed, reverse mappings, reference counts (also of the realtime device),
 * quotas, and the unlinked inodes of old logs.
 */
const INVISIBLE: ReadonlySet<number> = new Set([
  ...[0x1236, 0x1237, 0x1238, 0x123d, 0x123e, 0x1240, 0x1241, 0x1242, 0x1243],
  ...[0x124a, 0x124b, 0x124c, 0x124d, 0x124e, 0x124f],
]);

/** True if replaying can leave out items of that type. */
export function isInvisible(type: number): boolean {
  return INVISIBLE.has(type);
}
