import { damaged } from './parse.js';

const CHUNK_BYTES = 4096;
const COMPRESSED = 0x8000;
const SIZE_MASK = 0x0fff;
const MIN_MATCH = 3;

/**
 * Decompress LZNT1 ([MS-XCA] 2.5): chunks of 4 KiB, each compressed by itself. What `input` has no chunk for is zeros.
 * @throws {UmbraError} FILESYSTEM_DAMAGED
 */
export function decompressLznt1(input: Uint8Array, target: Uint8Array): void {
  let done = 0;
  for (let at = 0; at + 2 <= input.length && done < target.length;) {
    const header = (input[at] ?? 0) | ((input[at + 1] ?? 0) << 8);
    if (header === 0) break;
    const start = at + 2;
    at = start + (header & SIZE_MASK) + 1;
    if (at > input.length) throw damaged('compressed data is cut off');
    const chunk = target.subarray(done, done + CHUNK_BYTES);
    const written = (header & COMPRESSED) === 0 ? copy(input, start, at, chunk) : expand(input, start, at, chunk);
    chunk.fill(0, written);
    done += chunk.length;
  }
  target.fill(0, done);
}

function copy(input: Uint8Array, start: number, end: number, chunk: Uint8Array): number {
  const length = Math.min(end - start, chunk.length);
  chunk.set(input.subarray(start, start + length));
  return length;
}

/** @returns how many bytes the chunk had */
function expand(input: Uint8Array, start: number, end: number, chunk: Uint8Array): number {
  let done = 0;
  for (let at = start; at < end && done < chunk.length;) {
    let flags = input[at++] ?? 0;
    for (let token = 0; token < 8 && at < end && done < chunk.length; token++, flags >>= 1) {
      if ((flags & 1) === 0) chunk[done++] = input[at++] ?? 0;
      else {
        if (at + 2 > end) throw damaged('compressed data is cut off');
        done = repeat(chunk, done, (input[at] ?? 0) | ((input[at + 1] ?? 0) << 8));
        at += 2;
      }
    }
  }
  return done;
}

/** A token is an offset and a length; the farther into the chunk, the more of its bits are the offset's. */
function repeat(chunk: Uint8Array, done: number, token: number): number {
  let lengthBits = 12;
  for (let farthest = done - 1; farthest >= 16; farthest >>= 1) lengthBits -= 1;
  const from = done - (token >> lengthBits) - 1;
  if (from < 0) throw damaged('compressed data makes no sense');
  const end = Math.min(chunk.length, done + (token & ((1 << lengthBits) - 1)) + MIN_MATCH);
  // Byte by byte: what is repeated may overlap what is written.
  for (let to = done; to < end; to++) chunk[to] = chunk[from + to - done] ?? 0;
  return end;
}
