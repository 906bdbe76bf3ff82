import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

/** Make durable which files are in a directory. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
