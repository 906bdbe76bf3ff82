import { realpath } from 'node:fs/promises';

/** The path without links; as it is, where there is no such file. */
export async function realPathOf(path: string): Promise<string> {
  return await realpath(path).catch(() => path);
}
