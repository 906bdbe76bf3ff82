import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { BlockSet } from '../../../../agent/filter/log/block-set.js';
import { ChangeLog, type ChangeLogOptions } from '../../../../agent/filter/log/change-log.js';
import { BLOCK_BYTES, MARK_BYTES, MAX_EPOCHS } from '../../../../agent/filter/log/log-state.js';
import { encodeRecord } from '../../../../agent/filter/log/records.js';
import { readLog } from '../../../../agent/filter/log/read-log.js';
import type { FilePrint } from '../../../../agent/filter/log/trust.js';
import { silentLog } from '../../../../src/common/log.js';
import type { ByteRange } from '../../../../src/protocol/api.js';
import { ManualClock } from '../../../kit/manual-clock.js';
import { smallDisk } from '../../../kit/small-disk.js';
import { mountPowerCutFs } from '../../../kit/power-cut-fs.js';
import { testSeed } from '../../../kit/random.js';

const NOW = Date.UTC(2026, 10, 22);
// In memory, where a sync costs nothing.
const memory = smallDisk(t, 512 * 1024 * 1024);
const newDirectory = (): string => mkdtempSync(join(memory.directory, 'log-'));
const UNCHANGED: FilePrint = { print: 'as it was', ctimeMs: NOW };
const FILES = new Map([
  ['1:10', UNCHANGED],
  ['1:11', UNCHANGED],
]);
const DISK = { key: '1:10', name: 'vda', path: '/a.img' };
const OTHER = { key: '1:11', name: 'vdb', path: '/b.img' };

function optionsOf(directory: string, more: Partial<ChangeLogOptions> = {}): ChangeLogOptions {
  const clock = new ManualClock(NOW);
  return { directory, root: '1:2', boot: 'boot 1', files: FILES, clock, log: silentLog, ...more };
}

/** Logs of processes that were killed, which close nothing: kept from the garbage collector, which would. */
const killed: ChangeLog[] = [];

/** A log with the checkpoint c1 of the group `m`. */
async function begun(directory: string, more: Partial<ChangeLogOptions> = {}): Promise<ChangeLog> {
  const log = await ChangeLog.open(optionsOf(directory, more));
  killed.push(log);
  await log.checkpoint('m', 'c1', log.refs([DISK, OTHER]));
  await log.settled('m', 'c1');
  return log;
}

/** In MiB: what is said to have changed in the disk. */
function changed(log: ChangeLog, since = 'c1', file = DISK): readonly ByteRange[] | string {
  const known = log.changesSince('m', since, { id: log.idOf(file.key) ?? 0, name: file.name });
  if (!(known instanceof BlockSet)) return known.unknown;
  return [...known.ranges(1e12)].map(({ offset, length }) => ({
    offset: offset / MARK_BYTES,
    length: length / MARK_BYTES,
  }));
}

async function write(log: ChangeLog, mib: number, length = BLOCK_BYTES, file = DISK): Promise<boolean> {
  const id = log.idOf(file.key);
  const wait = id === undefined ? undefined : log.mark(id, mib * MARK_BYTES, length);
  await wait;
  return wait !== undefined;
}

const EXACT = BLOCK_BYTES / MARK_BYTES;

t.test('only the first write of a region since the last checkpoint waits', async (t) => {
  const log = await begun(newDirectory());
  t.equal(await write(log, 3), true);
  t.equal(await write(log, 3.5), false, 'the same region');
  t.equal(await write(log, 4), true, 'another one');
  t.equal(await write(log, 3, BLOCK_BYTES, OTHER), true, 'another file');
  await log.checkpoint('m', 'c2', log.refs([DISK, OTHER]));
  t.equal(await write(log, 3), true, 'after the next checkpoint');
  t.strictSame(changed(log), [
    { offset: 3, length: EXACT },
    { offset: 3.5, length: EXACT },
    { offset: 4, length: EXACT },
  ]);
  t.strictSame(changed(log, 'c2'), [{ offset: 3, length: EXACT }]);
  await log.drop('m', 'c2');
  t.match(changed(log), /nothing is known of the checkpoint c1/);
  t.strictSame(changed(log, 'c2'), [{ offset: 3, length: EXACT }]);
  await log.forget('m');
  t.match(changed(log, 'c2'), /nothing is known/);
  t.equal(await write(log, 9), false, 'nobody wants to know');
  await log.close(FILES);
});

t.test('who comes while a mark is synced shares the next sync', async (t) => {
  const log = await begun(newDirectory());
  const id = log.idOf(DISK.key) ?? 0;
  const first = log.mark(id, 0, 1);
  const waits = Array.from({ length: 50 }, (_, index) => log.mark(id, index * MARK_BYTES, 1));
  t.ok(first);
  t.ok(
    waits.every((wait) => wait !== undefined),
    'also who writes to a region whose mark is not durable yet',
  );
  await Promise.all([first, ...waits]);
  t.equal(log.mark(id, 49 * MARK_BYTES, 1), undefined);
  await log.close(FILES);
});

t.test('groups have checkpoints of their own', async (t) => {
  const log = await begun(newDirectory());
  await log.checkpoint('n', 'x1', log.refs([DISK]));
  await write(log, 1);
  await log.checkpoint('m', 'c2', log.refs([DISK]));
  await write(log, 2);
  const of = { id: log.idOf(DISK.key) ?? 0, name: 'vda' };
  const known = log.changesSince('n', 'x1', of);
  t.strictSame(known instanceof BlockSet && [...known.ranges(1e9)].map(({ offset }) => offset / MARK_BYTES), [1, 2]);
  t.match(changed(log, 'c1', OTHER), /another one/, 'it was left out of a checkpoint in between');
  t.match(changed(log, 'c1', { ...DISK, name: 'vdx' }), /another one/, 'it was another volume then');
  await log.close(FILES);
});

t.test('after a clean end blocks are known exactly; after a kill, regions', async (t) => {
  const directory = newDirectory();
  const first = await begun(directory);
  await write(first, 3.5);
  await first.checkpoint('m', 'c2', first.refs([DISK, OTHER]));
  await write(first, 7);
  await first.close(FILES);
  const second = await ChangeLog.open(optionsOf(directory, { boot: 'boot 2' }));
  t.equal(second.lost, undefined);
  t.strictSame(changed(second), [
    { offset: 3.5, length: EXACT },
    { offset: 7, length: EXACT },
  ]);
  t.equal(await write(second, 7.25), false, 'the mark is still durable');
  await write(second, 9.5);
  killed.push(second);
  const third = await ChangeLog.open(optionsOf(directory, { boot: 'boot 2' }));
  t.strictSame(changed(third, 'c2'), [
    { offset: 7, length: 1 },
    { offset: 9, length: 1 },
  ]);
  t.strictSame(changed(third).length, 3);
  await third.close(FILES);
});

t.test('who changed a file in between is noticed', async (t) => {
  const cases: {
    readonly title: string;
    readonly clean: boolean;
    readonly print: FilePrint | undefined;
    readonly ours: boolean;
  }[] = [
    { title: 'clean, as it was', clean: true, print: UNCHANGED, ours: true },
    { title: 'clean, another size or time', clean: true, print: { ...UNCHANGED, print: 'not so' }, ours: false },
    { title: 'clean, gone', clean: true, print: undefined, ours: false },
    { title: 'killed, changed before', clean: false, print: { print: 'x', ctimeMs: NOW + 1500 }, ours: true },
    { title: 'killed, changed later', clean: false, print: { print: 'x', ctimeMs: NOW + 2500 }, ours: false },
    { title: 'killed, gone', clean: false, print: undefined, ours: false },
  ];
  for (const { title, clean, print, ours } of cases) {
    const directory = newDirectory();
    const log = await begun(directory);
    await write(log, 3);
    await log.beat();
    if (clean) await log.close(FILES);
    const files = new Map([...FILES, ...(print === undefined ? [] : [[DISK.key, print] as const])]);
    if (print === undefined) files.delete(DISK.key);
    const next = await ChangeLog.open(optionsOf(directory, { files }));
    if (ours) t.strictSame(Array.isArray(changed(next)), true, title);
    else t.match(changed(next), /another one/, title);
    t.strictSame(changed(next, 'c1', OTHER), [], `${title}: the other file`);
    await next.close(files);
  }
});

t.test('names, and files that go', async (t) => {
  const directory = newDirectory();
  const log = await begun(directory);
  const [disk, other] = [log.idOf(DISK.key) ?? 0, log.idOf(OTHER.key) ?? 0];
  await log.everything(disk);
  t.equal(await write(log, 3), false, 'nothing more to say of it');
  t.match(changed(log), /another name/);
  await log.removed(other);
  t.equal(log.idOf(OTHER.key), undefined);
  const next = await ChangeLog.open(optionsOf(directory));
  t.match(changed(next), /another name/);
  t.match(changed(next, 'c1', OTHER), /another one/);
  await next.checkpoint('m', 'c2', next.refs([DISK, OTHER]));
  t.not(next.idOf(OTHER.key), other, 'a number is not used again');
  t.strictSame(changed(next, 'c2'), []);
  await next.everythingOfAll();
  t.match(changed(next, 'c2', OTHER), /another name/);
  await next.close(FILES);
});

t.test('a power cut takes back what was not synced when a checkpoint was made', async (t) => {
  const directory = newDirectory();
  const log = await begun(directory);
  await write(log, 1);
  await log.checkpoint('m', 'c2', log.refs([DISK]));
  await write(log, 2);
  await log.checkpoint('m', 'c3', log.refs([DISK]));
  await write(log, 3);
  const offsets = (of: ChangeLog, since: string): unknown => {
    const ranges = changed(of, since);
    return typeof ranges === 'string' ? ranges : ranges.map(({ offset, length }) => [offset, length]);
  };
  const copy = newDirectory();
  for (const name of ['changes', 'alive']) copyFileSync(join(directory, name), join(copy, name));
  const restarted = await ChangeLog.open(optionsOf(copy));
  t.strictSame(offsets(restarted, 'c3'), [[3, 1]], 'killed: the page cache is still there');
  await restarted.close(FILES);
  const cut = await ChangeLog.open(optionsOf(directory, { boot: 'boot 2' }));
  t.strictSame(offsets(cut, 'c3'), [[1, 3]]);
  t.strictSame(offsets(cut, 'c1'), [[1, 3]]);
  await cut.close(FILES);

  const unsettled = newDirectory();
  const first = await ChangeLog.open(optionsOf(unsettled));
  killed.push(first);
  await first.checkpoint('m', 'c1', first.refs([DISK]));
  const after = await ChangeLog.open(optionsOf(unsettled, { boot: 'boot 2' }));
  t.match(changed(after), /another one/, 'nobody noted what was before the first checkpoint');
  await after.close(FILES);
});

/** A log of a few records, and the state at each. */
async function shortLog(): Promise<{ readonly log: Buffer; readonly alive: Buffer; readonly ends: number[] }> {
  const directory = newDirectory();
  const log = await begun(directory);
  await log.beat();
  const path = join(directory, 'changes');
  const alive = readFileSync(join(directory, 'alive'));
  const ends = [statSync(path).size];
  for (const mib of [1, 5, 9]) {
    await write(log, mib);
    ends.push(statSync(path).size);
  }
  return { log: readFileSync(path), alive, ends };
}

/** What such a log says of the disk: in which MiB it was written, or `unknown`. */
async function saidBy(log: Buffer, alive: Buffer, boot: string): Promise<string> {
  const directory = newDirectory();
  const place = { logPath: join(directory, 'changes'), alivePath: join(directory, 'alive'), root: '1:2', boot };
  writeFileSync(place.logPath, log);
  writeFileSync(place.alivePath, alive);
  const read = await readLog(place);
  rmSync(directory, { recursive: true });
  if ('lost' in read) return 'unknown';
  const marks = read.state.epochs('m')[0]?.changes.get(read.state.idOf(DISK.key) ?? 0)?.marks;
  return [...(marks?.runs() ?? [])].map(([first]) => first).join();
}

t.test('a log that a power cut tore at any byte says all that was durable', async (t) => {
  const { log, alive, ends } = await shortLog();
  const durable = ends[0] ?? 0;
  const marksUpTo = (length: number): string =>
    ['1', '5', '9'].slice(0, ends.filter((end) => end <= length).length - 1).join();
  for (let length = durable; length <= log.length; length++) {
    const said = await saidBy(log.subarray(0, length), alive, 'boot 2');
    if (said !== marksUpTo(length)) t.fail(`${length} of ${log.length} bytes: ${said}`);
    // What the disk gives for a tail that was not written; it may be what was to be written.
    let same = length;
    while (log[same] === 0) same++;
    const zeros = Buffer.concat([log.subarray(0, length), Buffer.alloc(40)]);
    if ((await saidBy(zeros, alive, 'boot 2')) !== marksUpTo(same)) t.fail(`${length} bytes and zeros`);
  }
  t.equal(await saidBy(log.subarray(0, log.length - 1), alive, 'boot 1'), 'unknown', 'no power was cut');
});

t.test('every mark that was waited for survives a power cut', async (t) => {
  const fs = await mountPowerCutFs(t);
  const seed = testSeed(t);
  const log = await begun(fs.mountPoint);
  const written: number[] = [];
  for (let mib = 0; mib < 12; mib += 2) {
    await write(log, mib);
    written.push(mib);
  }
  const target = newDirectory();
  await fs.cut(target, seed);
  const next = await ChangeLog.open(optionsOf(target, { boot: 'boot 2' }));
  t.equal(next.lost, undefined);
  t.strictSame(
    written.map((mib) => ({ offset: mib, length: 1 })),
    changed(next),
  );
  await next.close(FILES);
  await t.rejects(write(log, 100), { code: 'TRACKER_FAILED' }, 'neither written nor taken away');
  await t.rejects(log.close(FILES));
});

t.test('damage is noticed', async (t) => {
  const { log, alive, ends } = await shortLog();
  const last = ends.at(-2) ?? 0;
  // In the last record a flipped bit is like a torn tail; before it, it can't be.
  for (let at = 0; at < last; at++) {
    const flipped = Buffer.from(log);
    flipped[at] = (flipped[at] ?? 0) ^ 0x10;
    if ((await saidBy(flipped, alive, 'boot 2')) !== 'unknown') t.fail(`a bit of byte ${at}`);
  }
  const [first = 0, second = 0, third = 0] = ends;
  const gap = Buffer.concat([log.subarray(0, second), log.subarray(third)]);
  t.equal(await saidBy(gap, alive, 'boot 2'), 'unknown', 'a record is missing');
  const generation = Buffer.from(log.subarray(8, 24));
  const foreign = encodeRecord(generation.map((byte) => byte ^ 1) as Buffer, 99, { t: 'clean' });
  t.equal(await saidBy(Buffer.concat([log, foreign]), alive, 'boot 2'), '1,5,9', 'a record of another log is none');
  t.equal(await saidBy(log.subarray(0, first - 1), alive, 'boot 2'), 'unknown', 'the end is missing');
  const broken = Buffer.from(alive);
  broken[3] = (broken[3] ?? 0) ^ 1;
  t.equal(await saidBy(log, broken, 'boot 2'), 'unknown', 'the sign of life is damaged');
  t.equal(await saidBy(log, alive.subarray(1), 'boot 2'), 'unknown');
});

t.test('a log that is missing, of another directory, or none', async (t) => {
  const lostOf = async (change: (directory: string) => void, more: Partial<ChangeLogOptions> = {}): Promise<string> => {
    const directory = newDirectory();
    const log = await begun(directory);
    await write(log, 1);
    await log.close(FILES);
    change(directory);
    const next = await ChangeLog.open(optionsOf(directory, more));
    t.match(changed(next), /nothing is known/);
    await next.close(FILES);
    return next.lost ?? 'nothing';
  };
  t.match(
    await lostOf((directory) => {
      rmSync(join(directory, 'changes'));
    }),
    /missing/,
  );
  t.match(
    await lostOf((directory) => {
      rmSync(join(directory, 'alive'));
    }),
    /missing or damaged/,
  );
  t.match(
    await lostOf((directory) => {
      for (const name of ['changes', 'alive']) rmSync(join(directory, name));
    }),
    /no change log yet/,
  );
  t.match(
    await lostOf((directory) => {
      writeFileSync(join(directory, 'changes'), 'short');
    }),
    /something else/,
  );
  t.match(
    await lostOf((directory) => {
      truncateSync(join(directory, 'changes'), 300 * 1024 * 1024);
    }),
    /larger/,
  );
  t.match(await lostOf(() => undefined, { root: '1:3' }), /another directory/);
  const other = newDirectory();
  await (await begun(other)).close(FILES);
  t.match(
    await lostOf((directory) => {
      copyFileSync(join(other, 'changes'), join(directory, 'changes'));
    }),
    /another time/,
  );
  await t.rejects(ChangeLog.open(optionsOf(join(other, 'none'))), { code: 'ENOENT' });
  const odd = newDirectory();
  mkdirSync(join(odd, 'changes'));
  await t.rejects(ChangeLog.open(optionsOf(odd)), { code: 'EISDIR' });
});

t.test('checkpoints that nobody acknowledges are bounded; the oldest stays', async (t) => {
  const directory = newDirectory();
  const log = await begun(directory);
  for (let index = 2; index < 2 * MAX_EPOCHS; index++) {
    await write(log, index);
    await log.checkpoint('m', `c${index}`, log.refs(index === 4 ? [DISK] : [DISK, OTHER]));
  }
  t.equal(log.epochs('m').length, MAX_EPOCHS);
  t.equal(changed(log).length, 2 * MAX_EPOCHS - 2);
  t.match(changed(log, 'c1', OTHER), /another one/);
  t.match(changed(log, 'c3'), /nothing is known/);
  const before = changed(log);
  await log.close(FILES);
  const next = await ChangeLog.open(optionsOf(directory));
  t.strictSame(changed(next), before);
  t.match(changed(next, 'c1', OTHER), /another one/);
  await next.close(FILES);
});

t.test('the log is bounded, however much is written', async (t) => {
  const directory = newDirectory();
  const log = await begun(directory);
  const id = log.idOf(DISK.key) ?? 0;
  // 70,000 regions that do not touch: more than are written down one by one.
  const waits: Promise<void>[] = [];
  let most = 0;
  for (let index = 0; index < 140_000; index += 2) {
    waits.push(log.mark(id, index * MARK_BYTES, 1) ?? Promise.resolve());
    if (waits.length < 10_000) continue;
    await Promise.all(waits.splice(0));
    most = Math.max(most, statSync(join(directory, 'changes')).size);
  }
  await Promise.all(waits);
  t.ok(most < 8 * 1024 * 1024, `${most} bytes`);
  t.equal(changed(log).length, 70_000);
  await log.close(FILES);
  t.ok(statSync(join(directory, 'changes')).size < 1024 * 1024);
  const next = await ChangeLog.open(optionsOf(directory));
  t.match(changed(next), /too many places/);
  t.strictSame(changed(next, 'c1', OTHER), []);
  await next.close(FILES);
});

t.test('when the log cannot be written, nothing is vouched for and the guest goes on', async (t) => {
  const disk = smallDisk(t, 512 * 1024);
  const log = await begun(disk.directory);
  disk.fill(0);
  for (let mib = 0; mib < 2000 && log.epochs('m').length > 0; mib++) await write(log, mib);
  t.match(changed(log), /nothing is known/);
  t.throws(() => statSync(join(disk.directory, 'changes')), { code: 'ENOENT' });
  disk.release();
  await log.checkpoint('m', 'c2', log.refs([DISK]));
  await write(log, 5);
  t.strictSame(changed(log, 'c2'), [{ offset: 5, length: EXACT }]);
  await log.beat();
  const next = await ChangeLog.open(optionsOf(disk.directory));
  t.strictSame(changed(next, 'c2'), [{ offset: 5, length: 1 }]);
  await next.close(FILES);
  appendFileSync(join(disk.directory, 'changes'), '');
});
