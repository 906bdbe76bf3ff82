import { open } from 'node:fs/promises';

/** Make durable what a file holds. @throws system errors */
export async function syncFile(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.datasync();
  } finally {
    await handle.close();
  }
}
