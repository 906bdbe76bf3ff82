import t from 'tap';
import { sameContent, type CompareOptions } from '../../../src/files/compare-content.js';
import { VolumeChanges } from '../../../src/files/volume-changes.js';
import { VolumeLayout } from '../../../src/files/volume-layout.js';
import { MemoryFilesystem, type MemoryExtent } from '../../kit/filesystems/memory-filesystem.js';
import { openMemoryStore } from '../../kit/memory-store.js';
import { Random, testSeed } from '../../kit/random.js';

const MIB = 1024 * 1024;
const BLOCK_BYTES = 4096;

interface Stretch {
  readonly kind: 'stored' | 'hole' | 'inline' | 'overlay' | 'encoded';
  readonly offset: number;
  readonly length: number;
  readonly encodedFrom?: number;
  readonly encoding?: string;
}

/** A file of these stretches of a volume. */
function fileOf(volume: Buffer, stretches: readonly Stretch[]): MemoryFilesystem {
  const extents = stretches.map(({ kind, offset, length, encodedFrom, encoding }): MemoryExtent => {
    const bytes = volume.subarray(offset, offset + length);
    if (kind === 'hole') return { kind, length };
    if (kind === 'inline') return { kind, bytes };
    const from = {
      ...(encodedFrom === undefined ? {} : { encodedFrom }),
      ...(encoding === undefined ? {} : { encoding }),
    };
    const location = kind === 'overlay' ? { offset: 0, length } : { volume: 'vda', offset, length };
    return { kind: 'stored', bytes, encoded: kind === 'encoded', ...from, locations: [location] };
  });
  return new MemoryFilesystem({ 1: { type: 'file', extents } });
}

t.test('what is told without reading, and what is read', async (t) => {
  const { store, backUp } = await openMemoryStore(t);
  const random = new Random(testSeed(t));
  const before = random.bytes(12 * MIB);
  before.fill(0, MIB, 2 * MIB);
  const after = Buffer.from(before);
  random.bytes(BLOCK_BYTES).copy(after, 5 * MIB);
  const [one, two] = [await backUp({ vda: before }), await backUp({ vda: after })];
  const layouts = [one, two].map((record) => new VolumeLayout(store.reader, record.volumes));
  const signal = new AbortController().signal;
  const changes = await VolumeChanges.between(store.reader, one.volumes, two.volumes, signal);

  const compare = async (
    a: readonly Stretch[],
    b: readonly Stretch[],
    options: Partial<CompareOptions> = {},
  ): Promise<[boolean, number]> => {
    let read = 0;
    const [left, right] = layouts;
    if (left === undefined || right === undefined) return [false, 0];
    const sides = [
      { filesystem: fileOf(before, a), id: 1, layout: left },
      { filesystem: fileOf(after, b), id: 1, layout: right },
    ] as const;
    const onRead = (bytes: number): void => {
      read += bytes;
    };
    return [await sameContent(sides[0], sides[1], { signal, onRead, ...options }), read];
  };
  const stored = (offset: number, length: number): Stretch => ({ kind: 'stored', offset, length });

  t.same(await compare([stored(0, 3 * MIB)], [stored(0, 3 * MIB)]), [true, 0]);
  t.same(await compare([stored(0, 3 * MIB)], [stored(0, 3 * MIB)], { changes }), [true, 0]);
  t.same(await compare([stored(0, 3 * MIB)], [stored(0, MIB), stored(MIB, 2 * MIB)], { changes }), [true, 0]);
  t.same(
    await compare(
      [stored(0, 3 * MIB)],
      [stored(0, MIB), { kind: 'hole', offset: MIB, length: MIB }, stored(2 * MIB, MIB)],
    ),
    [true, 0],
  );
  t.match(await compare([stored(4 * MIB, 3 * MIB)], [stored(4 * MIB, 3 * MIB)], { changes }), [false]);
  // A neighbour of the file in its last chunk changed.
  const [same, read] = await compare([stored(4 * MIB + 10, MIB - 10)], [stored(4 * MIB + 10, MIB - 10)]);
  t.ok(same);
  t.ok(read <= 256 * 1024, `${read} bytes were read`);
  t.match(await compare([stored(MIB, MIB)], [stored(2 * MIB, MIB)]), [false, 0], 'zeros are no chunk');
  t.match(await compare([stored(2 * MIB, MIB)], [stored(MIB, MIB)]), [false, 0]);
  const inline: Stretch = { kind: 'inline', offset: 7 * MIB, length: 100 };
  t.same(await compare([inline], [inline], { changes }), [true, 100]);
  t.same(await compare([inline], [stored(7 * MIB, 100)]), [true, 100]);
  t.same(await compare([{ ...inline, offset: 8 * MIB }], [inline]), [false, 100]);
  t.same(await compare([{ ...inline, kind: 'overlay' }], [inline]), [true, 100]);
  t.match(await compare([inline], []), [false, 0]);
  const encoded: Stretch = { kind: 'encoded', offset: 7 * MIB, length: 100_000 };
  t.same(await compare([encoded], [encoded]), [true, 0]);
  t.same(await compare([encoded], [encoded], { changes }), [true, 0]);
  t.match(await compare([encoded], [{ ...encoded, encodedFrom: 7 }]), [true, 100_000], 'another part of the same');
  const [zlib, zstd] = [
    { ...encoded, encoding: 'zlib' },
    { ...encoded, encoding: 'zstd' },
  ];
  t.same(await compare([zlib], [zlib], { changes }), [true, 0]);
  t.same(await compare([zlib], [zlib]), [true, 0]);
  t.match(await compare([zlib], [zstd], { changes }), [true, 100_000], 'the same bytes, made in another way, are read');
  t.match(await compare([zlib], [zstd]), [true, 100_000]);
  t.match(await compare([encoded], [{ ...encoded, length: 50_000 }, stored(7 * MIB + 50_000, 50_000)]), [
    true,
    100_000,
  ]);
});

t.test('many doubts are settled on the way', async (t) => {
  const { store, backUp } = await openMemoryStore(t);
  const bytes = new Random(7).bytes(MIB);
  const { volumes } = await backUp({ vda: bytes });
  const layout = new VolumeLayout(store.reader, volumes);
  const pieces = (kind: 'inline' | 'stored'): Stretch[] =>
    Array.from({ length: 5000 }, (_, index) => [
      { kind, offset: index * 200, length: 100 },
      { kind: 'stored' as const, offset: index * 200 + 100, length: 100 },
    ]).flat();
  const side = (kind: 'inline' | 'stored'): Parameters<typeof sameContent>[0] => ({
    filesystem: fileOf(bytes, pieces(kind)),
    id: 1,
    layout,
  });
  let read = 0;
  const onRead = (more: number): void => {
    read += more;
  };
  t.ok(await sameContent(side('inline'), side('stored'), { signal: new AbortController().signal, onRead }));
  t.equal(read, 500_000);
});
