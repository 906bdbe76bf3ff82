import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncDirectory } from './sync-directory.js';

/**
 * Write a file that is whole or as it was before, whenever the power goes, and that only its owner may read. Two that write
 * the same file at the same time disturb each other.
 * @throws the system's errors
 */
export async function writeDurably(file: string, content: string | Uint8Array): Promise<void> {
  const handle = await open(`${file}.new`, 'w', 0o600);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(`${file}.new`, file);
  await syncDirectory(dirname(file));
}
