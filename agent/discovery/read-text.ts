import { constants, open } from 'node:fs/promises';
import { messageOf, UmbraError } from '../../src/common/errors.js';

/**
 * Read a text file of a vendor's, in UTF-8 or else in windows-1252.
 * @throws {UmbraError} CONFIG_UNREADABLE when it can't be read, is no plain file or is longer than `maxBytes`
 */
export async function readTextFile(path: string, maxBytes: number): Promise<string> {
  const bytes = await readBeginning(path, maxBytes + 1);
  if (bytes.length > maxBytes) throw new UmbraError('CONFIG_UNREADABLE', `${path} is longer than ${maxBytes} bytes`);
  return decodeText(bytes);
}

export function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder('windows-1252').decode(bytes);
  }
}

/**
 * Read a part of a file, up to its end.
 * @throws {UmbraError} CONFIG_UNREADABLE when it can't be read or is no plain file
 */
export async function readBeginning(path: string, length: number, offset = 0): Promise<Buffer> {
  try {
    // Opening a pipe would wait for its writer.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stats = await file.stat();
      if (!stats.isFile()) throw new UmbraError('CONFIG_UNREADABLE', `${path} is no file`);
      const bytes = Buffer.alloc(Math.max(0, Math.min(length, stats.size - offset)));
      const { bytesRead } = await file.read(bytes, 0, bytes.length, offset);
      return bytes.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof UmbraError) throw error;
    throw new UmbraError('CONFIG_UNREADABLE', `${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}
