import t from 'tap';
import type { DiskFigures } from '../../../src/store/reserve.js';
import { SpaceWatch } from '../../../src/store/space-watch.js';
import { fullInDays, spaceLimits, spaceState, type SpaceState } from '../../../src/store/space.js';
import { ManualClock } from '../../kit/manual-clock.js';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
const DAY_MS = 86_400_000;

function disk(freeBytes: number, sizeBytes = 1000 * GIB, freeFiles = 0, files = 0): DiskFigures {
  return { sizeBytes, freeBytes, reserveBytes: 0, freeFiles, files };
}

t.test('limits are of the disk, up to what they need be, or as somebody has set them', async (t) => {
  t.same(spaceLimits(disk(0), {}), { warnBytes: 20 * GIB, stopBytes: GIB, resumeBytes: 1.5 * GIB });
  t.same(spaceLimits(disk(0, 100 * GIB), {}), { warnBytes: 10 * GIB, stopBytes: 400 * MIB, resumeBytes: 600 * MIB });
  const chosen = { warnBytes: 3 * GIB, stopBytes: 2 * GIB };
  t.same(spaceLimits(disk(0), chosen), { ...chosen, resumeBytes: 3 * GIB });
  t.equal(spaceLimits(disk(0), { warnBytes: GIB, stopBytes: 2 * GIB }).warnBytes, 3 * GIB, 'a warning comes first');
});

t.test('what begins at one limit ends at another one', async (t) => {
  const limits = spaceLimits(disk(0), { warnBytes: 10 * GIB, stopBytes: GIB });
  let state: SpaceState = 'ok';
  const go = (free: number, freeFiles = 0, files = 0): SpaceState =>
    (state = spaceState(disk(free, 1000 * GIB, freeFiles, files), limits, state));
  t.same([go(11 * GIB), go(9.9 * GIB), go(10.5 * GIB), go(11 * GIB)], ['ok', 'warning', 'warning', 'ok']);
  t.same([go(0.9 * GIB), go(1.4 * GIB), go(1.5 * GIB), go(1.1 * GIB)], ['stopped', 'stopped', 'warning', 'warning']);
  state = 'ok';
  t.same(
    [go(99 * GIB, 1e6, 1e6), go(99 * GIB, 900, 1e6), go(99 * GIB, 63, 1e6)],
    ['ok', 'warning', 'stopped'],
    'files',
  );
  t.same([go(99 * GIB, 100, 1e6), go(99 * GIB, 128, 1e6), go(99 * GIB, 2000, 1e6)], ['stopped', 'warning', 'ok']);
  t.equal(spaceState(disk(99 * GIB, 1000 * GIB, 50, 100), limits, 'ok'), 'ok', 'one that never had many');
});

t.test('a forecast is of what was seen for a day, or there is none', async (t) => {
  const limits = spaceLimits(disk(0), { stopBytes: GIB });
  const at = (day: number, gib: number) => ({ atMs: day * DAY_MS, freeBytes: gib * GIB });
  t.equal(fullInDays([], limits), undefined);
  t.equal(fullInDays([at(0, 50), at(0.9, 40)], limits), undefined, 'not of hours');
  t.equal(fullInDays([at(0, 50), at(2, 46), at(5, 41)], limits), 40 / 1.8);
  t.equal(fullInDays([at(0, 50), at(5, 50)], limits), undefined);
  t.equal(fullInDays([at(0, 500), at(5, 499)], limits), undefined, 'that is years');
  t.equal(fullInDays([at(0, 50), at(5, 0.5)], limits), 0);
});

t.test('nothing is let in while it is stopped, and it is looked again after so much, and no oftener', async (t) => {
  const clock = new ManualClock();
  let free = 5 * GIB;
  let files = 2000;
  let looks = 0;
  const watch = new SpaceWatch({
    disk: () => Promise.resolve((looks++, disk(free, 100 * GIB, files, 1e6))),
    chosen: { stopBytes: GIB, warnBytes: 2 * GIB },
    clock,
  });
  t.equal(watch.report, undefined);
  await watch.admit(1);
  for (let piece = 0; piece < 16; piece += 1) await watch.admit(MIB);
  t.equal(looks, 3);
  free = 0.5 * GIB;
  await t.rejects(watch.admit(8 * MIB), {
    code: 'STORE_FULL',
    message: /nearly full.*512 MiB are free/,
    hint: /below 1.00 GiB is for deleting: "umbra prune --gc".* from 1.50 GiB on/,
  });
  free = 1.6 * GIB;
  const seen: string[] = [];
  watch.onLook(({ state }) => seen.push(state));
  await watch.admit(0);
  t.same(seen, ['stopped', 'warning']);
  files = 10;
  await t.rejects(watch.admit(8 * MIB), { code: 'STORE_FULL', message: /10 more files can be made/ });
  files = 2000;
  for (let hour = 0; hour < 24 * 20; hour += 1) {
    free = 50 * GIB - hour * 10 * MIB;
    await watch.look();
    clock.advance(3_600_000 / 2);
    await watch.look();
    clock.advance(3_600_000 / 2);
  }
  t.ok(Math.abs((watch.report?.fullInDays ?? 0) - (free - GIB) / (240 * MIB)) < 0.5, 'of the last fortnight');
});
