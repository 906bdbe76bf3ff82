import type { FileId, FileStat, Filesystem } from '../../mount/filesystems/filesystem.js';
import { sameBytes } from '../codec/digest.js';

/** A file whose metadata is compared. */
export interface StatSide {
  readonly filesystem: Filesystem;
  readonly id: FileId;
  readonly stat: FileStat;
}

/** What can differ between two files but their content. */
export type MetadataDifference = 'type' | 'mode' | 'owner' | 'mtime' | 'target' | 'device' | 'xattrs';

/**
 * In what the metadata of two files differs. Times of access and of change do not count; extended attributes are read
 * only if the time of change says that they may differ.
 * @throws {UmbraError} FILESYSTEM_DAMAGED, STORE_DAMAGED
 */
export async function metadataDifferences(a: StatSide, b: StatSide): Promise<MetadataDifference[]> {
  const [one, two] = [a.stat, b.stat];
  const differences: MetadataDifference[] = [];
  if (one.type !== two.type) differences.push('type');
  if (one.permissions !== two.permissions) differences.push('mode');
  if (one.uid !== two.uid || one.gid !== two.gid) differences.push('owner');
  if (one.mtimeNs !== two.mtimeNs) differences.push('mtime');
  if (one.device?.major !== two.device?.major || one.device?.minor !== two.device?.minor) differences.push('device');
  if (one.type === 'symlink' && two.type === 'symlink' && (await targetDiffers(a, b))) differences.push('target');
  if (await xattrsDiffer(a, b)) differences.push('xattrs');
  return differences;
}

async function targetDiffers(a: StatSide, b: StatSide): Promise<boolean> {
  return (await a.filesystem.readlink(a.id)) !== (await b.filesystem.readlink(b.id));
}

async function xattrsDiffer(a: StatSide, b: StatSide): Promise<boolean> {
  if (!a.stat.mayHaveXattrs && !b.stat.mayHaveXattrs) return false;
  if (isUnchanged(a, b)) return false;
  const [left, right] = [await a.filesystem.xattrs(a.id), await b.filesystem.xattrs(b.id)];
  if (left.size !== right.size) return true;
  return [...left].some(([name, value]) => {
    const other = right.get(name);
    return other === undefined || !sameBytes(value, other);
  });
}

/** The same file, and nothing of it was changed since: FAT and exFAT, which know no such time, have none of this. */
function isUnchanged(a: StatSide, b: StatSide): boolean {
  return a.id === b.id && a.stat.ctimeNs === b.stat.ctimeNs && a.stat.ctimeNs !== 0n;
}
