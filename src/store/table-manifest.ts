import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';

/** The manifest is written in blocks of this size, each with the header of a record at its begin. */
const BLOCK_BYTES = 32 * 1024;
const HEADER_BYTES = 7;
const NEW_FILE = 7;
const LEVELS = 7;

/**
 * True if the database ever took the table into use; what LevelDB was only writing when its process ended, or the machine
 * went down, may be torn, and is deleted when the database is opened. Where the manifest can't be read, it is true too.
 */
export async function wasInUse(directory: string, table: string): Promise<boolean> {
  try {
    const current = await readFile(path.join(directory, 'CURRENT'), 'latin1');
    const manifest = withoutHeaders(await readFile(path.join(directory, current.trim())));
    const { size } = await stat(path.join(directory, table));
    const name = Buffer.concat([varint(Number.parseInt(table, 10)), varint(size)]);
    return Array.from({ length: LEVELS }, (_, level) => Buffer.concat([Buffer.of(NEW_FILE, level), name])).some(
      (added) => manifest.includes(added),
    );
  } catch {
    // LevelDB says what is wrong with them.
    return true;
  }
}

/** Without the headers that can stand in the middle of what is looked for. */
function withoutHeaders(manifest: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < manifest.length; at += BLOCK_BYTES)
    parts.push(manifest.subarray(at + HEADER_BYTES, at + BLOCK_BYTES));
  return Buffer.concat(parts);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return Buffer.from([...bytes, rest]);
}
