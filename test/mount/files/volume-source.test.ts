import t from 'tap';
import { IDLE_MS, VolumeSource } from '../../../mount/files/volume-source.js';
import type { VolumeReader } from '../../../mount/source.js';
import { UmbraError } from '../../../src/common/errors.js';
import { ManualClock } from '../../kit/manual-clock.js';

function setUp(read: (target: Uint8Array, offset: number) => number | Promise<number>) {
  const clock = new ManualClock();
  const state = { opens: 0, open: 0 };
  const source = new VolumeSource({
    name: 'vda',
    sizeBytes: 1000,
    clock,
    open: async () => {
      state.opens++;
      state.open++;
      await Promise.resolve();
      return {
        sizeBytes: 1000,
        read,
        close: () => {
          state.open--;
          return Promise.resolve();
        },
      } satisfies VolumeReader;
    },
  });
  return { clock, state, source };
}

const fill = (target: Uint8Array, offset: number): number => {
  target.fill(offset);
  return target.length;
};

t.test('it is opened once, by the first read, and reads within its bounds', async (t) => {
  const { source, state } = setUp(fill);
  t.equal(state.opens, 0);
  const bytes = new Uint8Array(4);
  t.strictSame(
    await Promise.all([7, 0].map(async (at) => await source.read(bytes.subarray(0, at === 7 ? 4 : 1), at))),
    [4, 1],
  );
  t.strictSame([...bytes], [0, 7, 7, 7]);
  t.equal(source.read(new Uint8Array(10), 995), 5, 'cut at the end, and at once');
  t.equal(source.read(bytes, 1000), 0);
  t.equal(source.read(bytes, -1), 0);
  t.equal(state.opens, 1);
  t.strictSame(source.locate(5, 10), [{ volume: 'vda', offset: 5, length: 10 }]);
  t.strictSame(source.locate(5, 0), []);
});

t.test('what is going to be read is passed on while it is open', async (t) => {
  const announced: [number, number][] = [];
  const source = new VolumeSource({
    name: 'vda',
    sizeBytes: 1000,
    clock: new ManualClock(),
    open: () =>
      Promise.resolve({
        sizeBytes: 1000,
        read: fill,
        willRead: (offset, length) => announced.push([offset, length]),
        close: () => Promise.resolve(),
      } satisfies VolumeReader),
  });
  source.willRead(1, 2);
  await source.read(new Uint8Array(1), 0);
  source.willRead(3, 4);
  await source.close();
  source.willRead(5, 6);
  t.strictSame(announced, [[3, 4]]);
  const { source: plain } = setUp(fill);
  await plain.read(new Uint8Array(1), 0);
  t.doesNotThrow(() => {
    plain.willRead(0, 1);
  }, 'a reader need not care');
});

t.test('it is closed when nobody reads, and opened again', async (t) => {
  const { source, state, clock } = setUp(fill);
  const bytes = new Uint8Array(1);
  await source.read(bytes, 0);
  clock.advance(IDLE_MS - 1);
  t.equal(source.read(bytes, 0), 1);
  clock.advance(IDLE_MS - 1);
  t.equal(state.open, 1, 'the last read counts');
  clock.advance(1);
  t.equal(state.open, 0);
  t.equal(await source.read(bytes, 0), 1);
  t.strictSame(state, { opens: 2, open: 1 });
  await source.close();
  t.equal(state.open, 0);
  await source.close();
  clock.advance(10 * IDLE_MS);
  t.equal(state.open, 0, 'closed once');
});

t.test('what is under way keeps it open', async (t) => {
  const waiting: ((read: number) => void)[] = [];
  const { source, state, clock } = setUp(() => new Promise((resolve) => waiting.push(resolve)));
  const read = async (length: number): Promise<number> => await source.read(new Uint8Array(length), 0);
  const reads = [read(1)];
  await new Promise((resolve) => setImmediate(resolve));
  reads.push(read(2));
  clock.advance(3 * IDLE_MS);
  t.equal(state.open, 1);
  await source.close();
  t.equal(state.open, 1, 'also when it is to be closed');
  waiting[0]?.(1);
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(state.open, 1);
  waiting[1]?.(2);
  t.strictSame(await Promise.all(reads), [1, 2]);
  t.equal(state.open, 0);
});

t.test('what can not be opened is tried again', async (t) => {
  let works = false;
  const clock = new ManualClock();
  const gone = new UmbraError('NOT_FOUND', 'it was deleted');
  const reader: VolumeReader = { sizeBytes: 10, read: fill, close: () => Promise.resolve() };
  const source = new VolumeSource({
    name: 'vda',
    sizeBytes: 10,
    clock,
    open: () => (works ? Promise.resolve(reader) : Promise.reject(gone)),
  });
  await t.rejects(async () => await source.read(new Uint8Array(1), 0), gone);
  works = true;
  t.equal(await source.read(new Uint8Array(1), 0), 1);
});
