import t from 'tap';
import { boundText, objectsText, passText, scrubPairs } from '../../../src/cli/scrub-text.js';
import type { ScrubResult } from '../../../src/protocol/upkeep-api.js';

const read: ScrubResult = {
  isRunning: true,
  days: 30,
  objects: 4000,
  storedBytes: 1024 * 1024,
  isEstimate: false,
  unreadObjects: 0,
  readSince: '2026-11-02T10:15:00.000Z',
  oldestDays: 20,
  isLate: false,
  passBeganAt: '2026-11-15T10:15:00.000Z',
  passObjects: 1010,
  passEndsAt: '2026-12-09T10:15:00.000Z',
  bytesPerDay: 4096,
  readBytes: 0,
  damagedObjects: 0,
};

t.test('how far reading everything is, in one line', (t) => {
  const { readSince, ...unread } = { ...read, unreadObjects: 12, isEstimate: true };
  t.match(readSince, /^2026/);
  t.match(scrubPairs(read), [
    ['scrub', /^every object that is older was read since 2026-.*; this pass 25 %, ends about 2026-/],
  ]);
  t.equal(boundText(unread), '12 objects were never read since stored, for 20 days at most');
  t.match(boundText({ ...unread, unreadObjects: 0 }), /^the index was never read since/);
  t.match(boundText({ ...read, isLate: true }), /, which is LATE: all should be every 30 days$/);
  t.match(boundText({ ...unread, isLate: true }), / at most, which is LATE/);
  t.equal(objectsText(unread), '4,000 (about 1.00 MiB)');
  t.equal(objectsText(read), '4,000 (1.00 MiB)');
  const empty = { ...read, objects: 0, passObjects: 0 };
  t.same(scrubPairs(empty), [['scrub', 'there is nothing to read']]);
  t.match(passText(empty), /^100 %/);
  t.same([...scrubPairs(undefined), ...scrubPairs({ ...read, days: 0 })], [], 'nothing of a server that does not read');
  t.end();
});
