import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { randomFillSync } from 'node:crypto';
import path from 'node:path';
import { run } from '../process.js';

const MIB = 1024 * 1024;
const PIECE_BYTES = 4 * MIB;
const BLOCK_BYTES = 4096;

/** A new file of `bytes` that do not compress and that nothing else has. */
export function writeRandom(file: string, bytes: number): void {
  const fd = openSync(file, 'wx');
  try {
    const piece = Buffer.alloc(PIECE_BYTES);
    for (let at = 0; at < bytes; at += PIECE_BYTES)
      writeSync(fd, randomFillSync(piece), 0, Math.min(PIECE_BYTES, bytes - at), at);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** A qcow2 with an ext4 in which the file `data` has random bytes, made once; and where in the volume those are. */
export async function provideDisk(
  cache: string,
  { diskGib, dataGib }: { readonly diskGib: number; readonly dataGib: number },
): Promise<{ readonly disk: string; readonly dataOffsets: readonly number[] }> {
  const name = path.join(cache, `agents-${diskGib}-${dataGib}`);
  const disk = `${name}.qcow2`;
  const raw = `${name}.raw`;
  if (!existsSync(disk)) {
    mkdirSync(cache, { recursive: true });
    const tree = `${name}.building-${process.pid}`;
    try {
      mkdirSync(tree);
      writeRandom(path.join(tree, 'data'), dataGib * 1024 * MIB);
      rmSync(raw, { force: true });
      await run('mke2fs', ['-q', '-t', 'ext4', '-d', tree, raw, `${diskGib}G`]);
      await run('qemu-img', ['convert', '-O', 'qcow2', raw, `${disk}.new`]);
      renameSync(`${disk}.new`, disk);
    } finally {
      rmSync(tree, { recursive: true, force: true });
    }
  }
  return { disk, dataOffsets: await offsetsOf(raw) };
}

/** Where the blocks of `data` stand in the image. */
async function offsetsOf(raw: string): Promise<readonly number[]> {
  const { stdout } = await run('debugfs', ['-R', 'blocks /data', raw]);
  return stdout
    .trim()
    .split(/\s+/)
    .map((block) => Number(block) * BLOCK_BYTES);
}
