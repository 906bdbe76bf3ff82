import type { Filesystem, FilesystemUsage } from '../filesystems/filesystem.js';

const known = new WeakMap<Filesystem, Promise<FilesystemUsage>>();

/** The figures of a file system, counted once for as long as it is open. An error is not kept. */
export function usageOf(filesystem: Filesystem): Promise<FilesystemUsage> {
  let usage = known.get(filesystem);
  if (usage === undefined) {
    usage = filesystem.usage();
    known.set(filesystem, usage);
    usage.catch(() => known.delete(filesystem));
  }
  return usage;
}
