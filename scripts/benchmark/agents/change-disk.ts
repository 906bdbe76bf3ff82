import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { SeededRandom } from '../random.js';
import { virshAll, type Domain } from './domain.js';

/** What QEMU's bitmaps tell apart. */
export const PIECE_BYTES = 64 * 1024;

/**
 * Overwrite pieces of a running domain's disk, past its guest, with bytes that nothing else has.
 * @param offsets of the pieces
 */
export async function changeDisk(domain: Domain, directory: string, offsets: readonly number[]): Promise<void> {
  const patterns = path.join(directory, 'patterns');
  mkdirSync(patterns);
  try {
    const device = '/machine/peripheral/virtio-disk0/virtio-backend';
    const commands = offsets.map((offset, index) => {
      const pattern = path.join(patterns, String(index));
      writeFileSync(pattern, randomBytes(PIECE_BYTES));
      const write = `write -q -s ${pattern} ${offset} ${PIECE_BYTES}`;
      return `qemu-monitor-command ${domain.name} --hmp 'qemu-io -d ${device} \\"${write}\\"'`;
    });
    await virshAll(domain.libvirt, commands);
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

/** The aligned pieces of which all blocks are among `blockOffsets`. */
export function wholePieces(blockOffsets: readonly number[], blockBytes: number): number[] {
  const blocks = new Map<number, number>();
  for (const offset of blockOffsets) {
    const piece = Math.floor(offset / PIECE_BYTES);
    blocks.set(piece, (blocks.get(piece) ?? 0) + 1);
  }
  return [...blocks].filter(([, count]) => count === PIECE_BYTES / blockBytes).map(([piece]) => piece * PIECE_BYTES);
}
