import { setImmediate } from 'node:timers/promises';
import t from 'tap';
import { FileAhead } from '../../../mount/files/file-ahead.js';
import type { Extent } from '../../../mount/filesystems/filesystem.js';

const MIB = 1024 * 1024;
const READ_BYTES = 128 * 1024;

/** Extents of these lengths in MiB one after the other in the file, and 1,000 MiB apart in the volume. */
function stored(lengths: readonly number[]): Extent[] {
  let fileMib = 0;
  return lengths.map((length, index): Extent => {
    const offset = fileMib * MIB;
    fileMib += length;
    const locations = [{ volume: 'vda', offset: index * 1000 * MIB, length: length * MIB }];
    return { kind: 'stored', offset, length: length * MIB, encoded: false, locations };
  });
}

function setUp(extents: readonly Extent[], error?: Error) {
  const state = { taken: 0, ended: false };
  async function* steps(): AsyncGenerator<Extent> {
    try {
      for (const extent of extents) {
        state.taken++;
        yield await Promise.resolve(extent);
      }
      if (error !== undefined) throw error;
    } finally {
      state.ended = true;
    }
  }
  const announced: string[] = [];
  const ahead = new FileAhead(steps(), (volume, offset, length) => {
    announced.push(`${volume} ${offset / MIB}+${length / MIB}`);
  });
  const readTo = async (fromMib: number, toMib: number): Promise<void> => {
    for (let at = fromMib * MIB; at < toMib * MIB; at += READ_BYTES) {
      ahead.read(at, READ_BYTES);
      await setImmediate();
    }
  };
  return { ahead, announced, state, readTo };
}

t.test('who reads in order has the next pieces announced, also where the file goes on elsewhere', async (t) => {
  const { announced, readTo } = setUp(stored([6, 6, 8]));
  await readTo(0, 0.125);
  t.strictSame(announced, [], 'not for a little');
  await readTo(0.125, 1);
  t.strictSame(announced, ['vda 0+4', 'vda 4+2', 'vda 1000+4', 'vda 1004+2']);
  await readTo(1, 4.25);
  t.strictSame(announced.slice(4), ['vda 2000+4']);
  await readTo(4.25, 20);
  t.strictSame(announced.slice(5), ['vda 2004+4'], 'everything once');
});

t.test('small, encoded and inline parts, holes and what lies in no volume are not announced', async (t) => {
  const [plain] = stored([4]);
  const length = 2 * MIB;
  const extents: Extent[] = [
    { kind: 'inline', offset: 0, length },
    { kind: 'hole', offset: length, length },
    { kind: 'stored', offset: 2 * length, length, encoded: true, locations: [{ volume: 'vda', offset: 0, length }] },
    { kind: 'stored', offset: 3 * length, length, encoded: false, locations: [{ offset: 0, length }] },
    ...(plain === undefined ? [] : [{ ...plain, offset: 4 * length }]),
  ];
  const small = Array.from({ length: 1000 }, (_, index): Extent => {
    const locations = [{ volume: 'vdb', offset: index * MIB, length: 4096 }];
    return { kind: 'stored', offset: 6 * length + index * 4096, length: 4096, encoded: false, locations };
  });
  const { announced, state, readTo } = setUp([...extents, ...small]);
  await readTo(0, 0.25);
  for (let turn = 0; turn < 10; turn++) await setImmediate();
  t.strictSame(announced, ['vda 0+4']);
  t.ok(state.taken <= 260, 'no more than some steps in one go');
  await readTo(0.25, 2);
  t.strictSame(announced, ['vda 0+4']);
  t.ok(state.ended);
});

t.test('nothing far ahead is announced', async (t) => {
  const [far] = stored([4]);
  const { announced, readTo } = setUp([
    { kind: 'hole', offset: 0, length: 100 * MIB },
    ...(far === undefined ? [] : [{ ...far, offset: 100 * MIB }]),
  ]);
  await readTo(0, 80);
  t.strictSame(announced, []);
  await readTo(80, 85);
  t.strictSame(announced, ['vda 0+4']);
});

t.test('who jumps has nothing announced until some is read in order, and what was passed never', async (t) => {
  const { ahead, announced, state } = setUp(stored([40, 40]));
  for (const mib of [30, 3, 70, 12, 50]) ahead.read(mib * MIB, READ_BYTES);
  await setImmediate();
  t.equal(state.taken, 0, 'the extents are not looked at');
  for (let at = 50 * MIB; at < 51 * MIB; at += READ_BYTES) {
    ahead.read(at, READ_BYTES);
    await setImmediate();
  }
  t.strictSame(announced, ['vda 1008+4', 'vda 1012+4', 'vda 1016+4', 'vda 1020+4']);
  for (let at = 0; at < MIB; at += READ_BYTES) ahead.read(at, READ_BYTES);
  await setImmediate();
  t.equal(announced.length, 4);
});

t.test('an error in the extents is nobody`s here, and a closed file asks for no more', async (t) => {
  const broken = setUp(stored([4]), new RangeError('broken'));
  await broken.readTo(0, 3);
  t.strictSame(broken.announced, ['vda 0+4']);
  const closed = setUp(stored([4, 4, 4, 4, 4, 4]));
  await closed.readTo(0, 0.5);
  t.equal(closed.announced.length, 4);
  closed.ahead.close();
  await setImmediate();
  t.ok(closed.state.ended);
  await closed.readTo(0.5, 12);
  t.equal(closed.announced.length, 4);
});
