import { closeSync, fstatSync, fsyncSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { BenchError } from './bench-error.js';
import type { SeededRandom } from './random.js';

/** The unit in which images are looked at. */
export const BLOCK_BYTES = 4096;
const PIECE_BYTES = 4 * 1024 * 1024;
const ZERO_BLOCK = Buffer.alloc(BLOCK_BYTES);

/** Calls `look` with each piece of a file; the buffer is used again for the next one. */
function eachPiece(file: string, look: (piece: Buffer, offset: number) => void): void {
  const fd = openSync(file, 'r');
  try {
    const buffer = Buffer.alloc(PIECE_BYTES);
    for (let offset = 0; ;) {
      const length = readSync(fd, buffer, 0, PIECE_BYTES, offset);
      if (length === 0) return;
      look(buffer.subarray(0, length), offset);
      offset += length;
    }
  } finally {
    closeSync(fd);
  }
}

/** Bytes of the file's blocks that are not all zero. */
export function dataBytes(file: string): number {
  let bytes = 0;
  eachPiece(file, (piece) => {
    for (let at = 0; at < piece.length; at += BLOCK_BYTES) {
      const block = piece.subarray(at, at + BLOCK_BYTES);
      if (!block.equals(ZERO_BLOCK.subarray(0, block.length))) bytes += block.length;
    }
  });
  return bytes;
}

/** Bytes of the blocks in which two files of one size differ. */
export function differingBytes(one: string, other: string): number {
  const fd = openSync(other, 'r');
  let bytes = 0;
  try {
    const against = Buffer.alloc(PIECE_BYTES);
    eachPiece(one, (piece, offset) => {
      readSync(fd, against, 0, piece.length, offset);
      eachDifferent(piece, against, (_, length) => {
        bytes += length;
      });
    });
    return bytes;
  } finally {
    closeSync(fd);
  }
}

/** Calls `found` with the position and length of each block of `piece` that is another in `against`. */
function eachDifferent(piece: Buffer, against: Buffer, found: (at: number, length: number) => void): void {
  if (piece.equals(against.subarray(0, piece.length))) return;
  for (let at = 0; at < piece.length; at += BLOCK_BYTES) {
    const block = piece.subarray(at, at + BLOCK_BYTES);
    if (!block.equals(against.subarray(at, at + block.length))) found(at, block.length);
  }
}

/**
 * Makes `target` equal to `source` by writing only the blocks that differ into it, as a guest would;
 * an absent target is made, sparse. Returns the bytes that were written.
 */
export function copyInPlace(source: string, target: string): number {
  const fd = openSync(target, 'a+');
  closeSync(fd);
  const out = openSync(target, 'r+');
  let written = 0;
  try {
    const old = Buffer.alloc(PIECE_BYTES);
    let end = 0;
    eachPiece(source, (piece, offset) => {
      old.fill(0, readSync(out, old, 0, piece.length, offset));
      written += writeDifferent(out, piece, old, offset);
      end = offset + piece.length;
    });
    if (fstatSync(out).size !== end) ftruncateSync(out, end);
    fsyncSync(out);
  } finally {
    closeSync(out);
  }
  return written;
}

function writeDifferent(out: number, piece: Buffer, old: Buffer, offset: number): number {
  let written = 0;
  eachDifferent(piece, old, (at, length) => {
    written += writeSync(out, piece, at, length, offset + at);
  });
  return written;
}

/** The first `length` bytes of `source` as a new file. */
export function copyHead(source: string, target: string, length: number): void {
  const input = openSync(source, 'r');
  const out = openSync(target, 'wx');
  try {
    const buffer = Buffer.alloc(PIECE_BYTES);
    for (let offset = 0; offset < length;) {
      const got = readSync(input, buffer, 0, Math.min(PIECE_BYTES, length - offset), offset);
      if (got === 0) break;
      writeDifferent(out, buffer.subarray(0, got), Buffer.alloc(got), offset);
      offset += got;
    }
    ftruncateSync(out, length);
    fsyncSync(out);
  } finally {
    closeSync(input);
    closeSync(out);
  }
}

/** Overwrites `length` bytes at each of `offsets` with bytes that no other version has. */
export function scribble(file: string, offsets: readonly number[], length: number, random: SeededRandom): void {
  const fd = openSync(file, 'r+');
  try {
    for (const offset of offsets) writeSync(fd, random.bytes(length), 0, length, offset);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * Offsets of `count` blocks of the file, drawn with `random` from those that are not all zero.
 *
 * @throws {BenchError} when the file is as good as empty
 */
export function dataOffsets(file: string, count: number, random: SeededRandom): number[] {
  const fd = openSync(file, 'r');
  try {
    const blocks = Math.floor(fstatSync(fd).size / BLOCK_BYTES);
    const block = Buffer.alloc(BLOCK_BYTES);
    const offsets: number[] = [];
    for (let tries = 0; offsets.length < count; tries += 1) {
      if (tries > count * 1000) throw new BenchError(`${file} holds hardly any data`);
      const offset = random.below(blocks) * BLOCK_BYTES;
      readSync(fd, block, 0, BLOCK_BYTES, offset);
      if (!block.equals(ZERO_BLOCK)) offsets.push(offset);
    }
    return offsets;
  } finally {
    closeSync(fd);
  }
}
