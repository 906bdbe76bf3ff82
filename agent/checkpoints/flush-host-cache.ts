import { open } from 'node:fs/promises';
import { isAbsolute } from 'node:path';

/**
 * Stopping a machine makes its hypervisor flush its disks, while the guest waits. What the host's cache holds of them is
 * written before that; a disk that can't be opened from here is flushed by the hypervisor alone.
 */
export async function flushHostCache(images: readonly string[]): Promise<void> {
  const paths = images.filter((path) => isAbsolute(path));
  await Promise.allSettled(
    paths.map(async (path) => {
      const handle = await open(path, 'r');
      try {
        await handle.datasync();
      } finally {
        await handle.close();
      }
    }),
  );
}
