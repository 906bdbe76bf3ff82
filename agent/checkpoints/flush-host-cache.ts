import { isAbsolute } from 'node:path';
import { syncFile } from '../../src/system/sync-file.js';

/**
 * Stopping a machine makes its hypervisor flush its disks, while the guest waits. What the host's cache holds of them is
 * written before that; a disk that can't be opened from here is flushed by the hypervisor alone.
 */
export async function flushHostCache(images: readonly string[]): Promise<void> {
  const paths = images.filter((path) => isAbsolute(path));
  await Promise.allSettled(paths.map((path) => syncFile(path)));
}
