import { inflateSync } from 'node:zlib';
import { zstdDecompress } from '../../../src/system/zstd.js';
import { Compression } from './file-extent.js';
import { lzo1xInto } from './lzo.js';
import { damaged } from './numbers.js';

/**
 * What a compressed extent becomes: always `plainBytes` bytes, with zeros at the end where the data gives fewer, as the
 * kernel fills it up.
 * @throws {UmbraError} FILESYSTEM_DAMAGED when the data makes no sense or gives more
 */
export function decompress(compression: number, source: Buffer, plainBytes: number, sectorBytes: number): Buffer {
  switch (compression) {
    case Compression.zlib:
      return filled(inflate(source, plainBytes), plainBytes);
    case Compression.lzo:
      return lzoExtent(source, plainBytes, sectorBytes);
    case Compression.zstd: {
      const target = Buffer.allocUnsafe(plainBytes);
      const made = zstdDecompress(target, source);
      if (made === undefined) throw damaged('zstd data makes no sense');
      return target.fill(0, made);
    }
    default:
      throw damaged(`a file is compressed in a way that is not known (${compression})`);
  }
}

function inflate(source: Buffer, plainBytes: number): Buffer {
  try {
    return inflateSync(source, { maxOutputLength: plainBytes });
  } catch (cause) {
    throw damaged('zlib data makes no sense', cause);
  }
}

function filled(bytes: Buffer, length: number): Buffer {
  return bytes.length === length ? bytes : Buffer.concat([bytes], length);
}

const WORD_BYTES = 4;

/**
 * An extent that was compressed by LZO: the length of all of it, then for each sector of the file its length and a
 * stream of its own. A length never goes over the end of a sector of the extent.
 */
function lzoExtent(source: Buffer, plainBytes: number, sectorBytes: number): Buffer {
  if (source.length < WORD_BYTES) throw damaged('LZO data is cut off');
  const target = Buffer.alloc(plainBytes);
  const end = source.readUInt32LE(0);
  if (end > source.length) throw damaged('LZO data is cut off');
  let out = 0;
  for (let at = WORD_BYTES; at < end && out < plainBytes;) {
    if (sectorBytes - (at % sectorBytes) < WORD_BYTES) at += sectorBytes - (at % sectorBytes);
    if (at + WORD_BYTES > end) break;
    const length = source.readUInt32LE(at);
    at += WORD_BYTES;
    if (length > end - at) throw damaged('LZO data is cut off');
    lzo1xInto(target.subarray(out, out + sectorBytes), source.subarray(at, at + length));
    at += length;
    out += sectorBytes;
  }
  return target;
}
