import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncDirectory } from '../../src/system/sync-directory.js';

/**
 * Write a small file so that after a crash it has the old content or the new. For one writer at a time.
 * @param path - absolute; its directory is there
 * @throws system errors
 */
export async function writeDurably(path: string, content: string): Promise<void> {
  const handle = await open(`${path}.new`, 'w', 0o600);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(`${path}.new`, path);
  await syncDirectory(dirname(path));
}
