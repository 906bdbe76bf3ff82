import type { Random } from './random.js';

const BLOCK_BYTES = 4096;

/**
 * The content of a volume: runs of data and of holes of random lengths. Data comes from few patterns, so that volumes
 * share chunks.
 */
export function randomVolume(random: Random, sizeBytes: number): Buffer {
  const volume = Buffer.alloc(sizeBytes);
  for (let at = 0; at < sizeBytes;) {
    const length = random.between(1, random.chance(0.1) ? 3000 : 90) * BLOCK_BYTES;
    if (random.chance(0.6)) fillRun(random, volume, at, Math.min(length, sizeBytes - at));
    at += length;
  }
  return volume;
}

/** A copy of `volume` with another size and some writes in it, zeros among them. */
export function changedVolume(random: Random, volume: Buffer, sizeBytes = volume.length): Buffer {
  const changed = Buffer.alloc(sizeBytes);
  volume.copy(changed);
  for (let write = random.between(0, 12); write > 0 && sizeBytes > 0; write--) {
    const at = random.below(sizeBytes);
    const length = Math.min(random.between(1, 40 * BLOCK_BYTES), sizeBytes - at);
    if (random.chance(0.3)) changed.fill(0, at, at + length);
    else changed.set(random.bytes(Math.min(length, 4096)), at);
  }
  return changed;
}

/** How many blocks of `a` and `b` differ, the shorter one continued with zeros up to `sizeBytes`. */
export function differingBlocks(a: Buffer, b: Buffer, sizeBytes: number): number[] {
  const blocks: number[] = [];
  for (let at = 0; at < sizeBytes; at += BLOCK_BYTES) {
    const end = Math.min(at + BLOCK_BYTES, sizeBytes);
    if (!padded(a, at, end).equals(padded(b, at, end))) blocks.push(at / BLOCK_BYTES);
  }
  return blocks;
}

function padded(bytes: Buffer, start: number, end: number): Buffer {
  const part = Buffer.alloc(end - start);
  part.set(bytes.subarray(start, end));
  return part;
}

function fillRun(random: Random, volume: Buffer, at: number, length: number): void {
  const seed = random.bytes(64);
  for (let offset = 0; offset < length; offset += BLOCK_BYTES) {
    seed.writeUInt32LE(offset, 0);
    const end = at + Math.min(offset + BLOCK_BYTES, length);
    for (let part = at + offset; part < end; part += seed.length)
      seed.copy(volume, part, 0, Math.min(seed.length, end - part));
  }
}
