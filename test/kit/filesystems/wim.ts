import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const HEADER_BLOB_TABLE = 48;
const BLOB_BYTES = 50;
const COMPRESSED = 0x04;

/**
 * What wimlib, another project's program, makes of a file: a table of places and chunks, each compressed by itself. A file
 * that Windows compressed has just that in its stream `WofCompressedData`.
 * @param directory an empty one
 */
export function compressWithWimlib(
  directory: string,
  content: Buffer,
  compression: { readonly type: string; readonly chunkBytes: number },
): Buffer {
  mkdirSync(join(directory, 'in'), { recursive: true });
  writeFileSync(join(directory, 'in', 'file'), content);
  const archive = join(directory, 'archive.wim');
  const options = [`--compress=${compression.type}`, `--chunk-size=${compression.chunkBytes}`, '--threads=1'];
  execFileSync('wimcapture', [join(directory, 'in'), archive, ...options], { stdio: ['ignore', 'ignore', 'pipe'] });
  const wim = readFileSync(archive);
  const table = resource(wim, HEADER_BLOB_TABLE);
  const digest = createHash('sha1').update(content).digest();
  for (let at = table.offset; at < table.offset + table.length; at += BLOB_BYTES) {
    if (!wim.subarray(at + 30, at + 50).equals(digest)) continue;
    const { offset, length, flags } = resource(wim, at);
    if ((flags & COMPRESSED) === 0) throw new Error('wimlib did not compress the file');
    return wim.subarray(offset, offset + length);
  }
  throw new Error('the file is not in the archive');
}

function resource(wim: Buffer, at: number): { offset: number; length: number; flags: number } {
  return { length: wim.readUIntLE(at, 6), flags: wim.readUInt8(at + 7), offset: Number(wim.readBigUInt64LE(at + 8)) };
}
