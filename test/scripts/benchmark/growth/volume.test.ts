import { closeSync, openSync, readSync, statSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { placeRuns, SparseVolume } from '../../../../scripts/benchmark/growth/volume.js';

const MIB = 1024 ** 2;

t.test('as much data whatever the size, all over it', async (t) => {
  for (const gib of [1, 1000]) {
    const runs = placeRuns(gib * 1024 * MIB, 64);
    t.equal(new Set(runs).size, 64);
    t.ok(runs.every((offset) => offset % MIB === 0 && offset + MIB <= gib * 1024 * MIB));
    t.ok((runs.at(-1) ?? 0) > gib * 1024 * MIB * 0.9);
  }
});

t.test('a change is four blocks in four runs, the same for a seed', async (t) => {
  const directory = t.testdir();
  const volume = new SparseVolume(path.join(directory, 'a'), 1, 4, 7);
  const other = new SparseVolume(path.join(directory, 'b'), 1, 4, 7);
  const { size, blocks } = statSync(volume.path);
  t.equal(size, 1024 * MIB);
  t.ok(blocks * 512 <= 5 * MIB, 'the rest are holes');
  const read = (from: SparseVolume): Buffer[] =>
    placeRuns(from.sizeBytes, 4).map((offset) => readAt(from.path, offset));
  const before = read(volume);
  volume.change();
  other.change();
  const after = read(volume);
  t.same(after, read(other));
  const changed = after.flatMap((run, index) =>
    Array.from({ length: 256 }, (_, block) => block * 4096).filter(
      (at) => before[index]?.subarray(at, at + 4096).equals(run.subarray(at, at + 4096)) === false,
    ),
  );
  t.equal(changed.length, 4);
  t.ok(readAt(volume.path, volume.dataOffset).some((byte) => byte !== 0));
});

function readAt(file: string, offset: number): Buffer {
  const fd = openSync(file, 'r');
  try {
    const bytes = Buffer.alloc(MIB);
    readSync(fd, bytes, 0, MIB, offset);
    return bytes;
  } finally {
    closeSync(fd);
  }
}
