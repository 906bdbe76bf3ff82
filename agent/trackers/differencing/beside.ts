import { open, readdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { systemCode } from '../../../src/common/errors.js';

const MAGIC = 0x514649fb;
/** Where a qcow2 file says how long the name of what it lies on is, and where that stands. */
const HEADER_BYTES = 20;
const MAX_NAME = 1023;

/** What lies on each file, as far as that is in this directory: qcow2 files by the absolute path of what they lie on. */
export async function qcow2Beside(directory: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const files = new Map<string, string[]>();
  for (const entry of (await readdir(directory, { withFileTypes: true })).filter((each) => each.isFile())) {
    const path = join(directory, entry.name);
    const behind = await liesOn(path);
    if (behind !== undefined) files.set(behind, [...(files.get(behind) ?? []), path]);
  }
  return files;
}

/** From its header alone, so that it costs little where there are many images. */
async function liesOn(path: string): Promise<string | undefined> {
  const file = await open(path, 'r').catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  });
  try {
    const header = await file?.read(Buffer.alloc(HEADER_BYTES), 0, HEADER_BYTES, 0);
    if (header?.bytesRead !== HEADER_BYTES || header.buffer.readUInt32BE(0) !== MAGIC) return undefined;
    const length = header.buffer.readUInt32BE(16);
    if (length === 0 || length > MAX_NAME) return undefined;
    const name = Buffer.alloc(length);
    await file?.read(name, 0, length, Number(header.buffer.readBigUInt64BE(8)));
    return resolve(dirname(path), name.toString('utf8'));
  } finally {
    await file?.close();
  }
}
