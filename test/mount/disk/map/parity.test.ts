import t from 'tap';
import type { ByteSource } from '../../../../mount/blocks/byte-source.js';
import { parityArray, RAID5_LAYOUTS, RAID6_LAYOUTS } from '../../../../mount/disk/map/parity.js';
import { memorySource } from '../../../kit/filesystems/sources.js';
import { Random, testSeed } from '../../../kit/random.js';

const CHUNK_BYTES = 512;
const TURNS = 3;

/**
 * Each layout as the kernel's documentation draws it (Documentation/admin-guide/md.rst, drivers/md/raid5.c): what stands
 * in each column of the first rows, before it repeats. `abc` are the row's data in order, P and Q the parities.
 */
const RAID5: Readonly<Record<number, string>> = {
  0: 'abcP abPc aPbc Pabc',
  1: 'Pabc aPbc abPc abcP',
  2: 'abcP bcPa cPab Pabc',
  3: 'Pabc cPab bcPa abcP',
  4: 'Pabc',
  5: 'abcP',
};
const RAID6: Readonly<Record<number, string>> = {
  0: 'QabcP abcPQ abPQc aPQbc PQabc',
  1: 'PQabc aPQbc abPQc abcPQ QabcP',
  2: 'QabcP abcPQ bcPQa cPQab PQabc',
  3: 'PQabc cPQab bcPQa abcPQ QabcP',
  4: 'PQabc',
  5: 'abcPQ',
  8: 'PQabc aPQbc abPQc abcPQ QabcP',
  9: 'abcPQ abPQc aPQbc PQabc QabcP',
  10: 'abcQP bcQPa cQPab QPabc PabcQ',
  16: 'abcPQ abPcQ aPbcQ PabcQ',
  17: 'PabcQ aPbcQ abPcQ abcPQ',
  18: 'abcPQ bcPaQ cPabQ PabcQ',
  19: 'PabcQ cPabQ bcPaQ abcPQ',
  20: 'PabcQ',
};

/** Columns that hold `data`, three chunks of it in each row, with the exclusive or of those as P and anything as Q. */
function columnsOf(random: Random, drawn: string, data: Buffer): Buffer[] {
  const rows = drawn.split(' ');
  const columns = Array.from(rows[0] ?? '', () => [] as Buffer[]);
  for (let row = 0; row * 3 * CHUNK_BYTES < data.length; row++) {
    const chunks = [0, 1, 2].map((index) => data.subarray((row * 3 + index) * CHUNK_BYTES).subarray(0, CHUNK_BYTES));
    const parity = Buffer.alloc(CHUNK_BYTES).map((_, at) => chunks.reduce((sum, chunk) => sum ^ (chunk[at] ?? 0), 0));
    Array.from(rows[row % rows.length] ?? '').forEach((letter, column) => {
      const chunk = letter === 'P' ? Buffer.from(parity) : chunks['abc'.indexOf(letter)];
      columns[column]?.push(chunk ?? random.bytes(CHUNK_BYTES));
    });
  }
  return columns.map((chunks) => Buffer.concat(chunks));
}

async function contentOf(source: ByteSource): Promise<Buffer> {
  const bytes = Buffer.alloc(source.sizeBytes);
  await source.read(bytes, 0);
  return bytes;
}

for (const [level, parities, drawings, layouts] of [
  ['RAID 5', 1, RAID5, RAID5_LAYOUTS],
  ['RAID 6', 2, RAID6, RAID6_LAYOUTS],
] as const) {
  t.test(`${level}: each layout, whole and without any one column`, async (t) => {
    const random = new Random(testSeed(t));
    t.same(
      [...layouts.keys()].sort((a, b) => a - b),
      Object.keys(drawings).map(Number),
    );
    for (const [number, layout] of layouts) {
      const drawn = drawings[number] ?? '';
      const data = random.bytes(drawn.split(' ').length * TURNS * 3 * CHUNK_BYTES);
      const columns: (ByteSource | undefined)[] = columnsOf(random, drawn, data).map((bytes) => memorySource(bytes));
      const columnBytes = data.length / 3;
      const read = async (there: readonly (ByteSource | undefined)[]): Promise<boolean> => {
        const array = parityArray(there, layout, parities, CHUNK_BYTES, columnBytes);
        return (await contentOf(array)).equals(data);
      };
      t.ok(await read(columns), `layout ${number}`);
      for (const missing of columns.keys()) {
        t.ok(await read(columns.with(missing, undefined)), `layout ${number} without column ${missing}`);
      }
      t.throws(
        () => parityArray(columns.with(0, undefined).with(1, undefined), layout, parities, CHUNK_BYTES, columnBytes),
        {
          code: 'FILESYSTEM_UNREADABLE',
          message: /^2 of \d disks of a RAID are missing/,
        },
      );
    }
  });
}

t.test('a column that is shorter than it says', async (t) => {
  const short = memorySource(Buffer.alloc(100));
  const layout = RAID5_LAYOUTS.get(5);
  if (layout === undefined) return;
  const array = parityArray([undefined, short, short], layout, 1, CHUNK_BYTES, 4096);
  await t.rejects(async () => await array.read(Buffer.alloc(4096), 0), { code: 'FILESYSTEM_DAMAGED' });
});
