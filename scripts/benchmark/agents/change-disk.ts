import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { run } from '../process.js';
import type { SeededRandom } from '../random.js';
import { virshAll, type Domain } from './domain.js';

/** What QEMU's bitmaps tell apart. */
export const PIECE_BYTES = 64 * 1024;

/**
 * Overwrite pieces of a running domain's disk, past its guest, with bytes that nothing else has.
 * @param offsets of the pieces
 */
export async function changeDisk(domain: Domain, directory: string, offsets: readonly number[]): Promise<void> {
  const device = '/machine/peripheral/virtio-disk0/virtio-backend';
  await withWrites(directory, offsets, async (writes) => {
    const commands = writes.map(
      (write) => `qemu-monitor-command ${domain.name} --hmp 'qemu-io -d ${device} "${write}"'`,
    );
    await virshAll(domain.libvirt, commands);
  });
}

/** The same to a qcow2 that nobody has open. */
export async function changeImage(image: string, directory: string, offsets: readonly number[]): Promise<void> {
  await withWrites(directory, offsets, async (writes) => {
    await run('qemu-io', ['-f', 'qcow2', ...writes.flatMap((write) => ['-c', write]), image]);
  });
}

/** Commands of qemu-io. */
async function withWrites(
  directory: string,
  offsets: readonly number[],
  work: (writes: readonly string[]) => Promise<void>,
): Promise<void> {
  const patterns = path.join(directory, 'patterns');
  mkdirSync(patterns);
  try {
    const writes = offsets.map((offset, index) => {
      const pattern = path.join(patterns, String(index));
      writeFileSync(pattern, randomBytes(PIECE_BYTES));
      return `write -q -s ${pattern} ${offset} ${PIECE_BYTES}`;
    });
    await work(writes);
  } finally {
    rmSync(patterns, { recursive: true, force: true });
  }
}

/** Pieces of a disk, drawn from those that lie in one of its runs of data as a whole. */
export function drawPieces(candidates: readonly number[], count: number, random: SeededRandom): number[] {
  const drawn = new Set<number>();
  while (drawn.size < Math.min(count, candidates.length)) drawn.add(candidates[random.below(candidates.length)] ?? 0);
  return [...drawn].sort((a, b) => a - b);
}

/** Runs of neighbouring pieces, all over a disk that has `total` of them. @param length pieces in each run */
export function drawRuns(total: number, count: number, length: number, random: SeededRandom): number[] {
  const starts = Array.from({ length: Math.floor(total / length) }, (_, run) => run * length * PIECE_BYTES);
  return drawPieces(starts, Math.max(1, Math.round(count / length)), random).flatMap((start) =>
    Array.from({ length }, (_, piece) => start + piece * PIECE_BYTES),
  );
}

/** The aligned pieces of which all blocks are among `blockOffsets`. */
export function wholePieces(blockOffsets: readonly number[], blockBytes: number): number[] {
  const blocks = new Map<number, number>();
  for (const offset of blockOffsets) {
    const piece = Math.floor(offset / PIECE_BYTES);
    blocks.set(piece, (blocks.get(piece) ?? 0) + 1);
  }
  return [...blocks].filter(([, count]) => count === PIECE_BYTES / blockBytes).map(([piece]) => piece * PIECE_BYTES);
}
