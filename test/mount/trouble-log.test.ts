import t from 'tap';
import type { Clock } from '../../src/common/clock.js';
import { UmbraError } from '../../src/common/errors.js';
import { type LogFields, silentLog } from '../../src/common/log.js';
import { TroubleLog } from '../../mount/trouble-log.js';

function setUp() {
  const lines: (LogFields | undefined)[] = [];
  let nowMs = 0;
  const clock: Clock = { now: () => nowMs, monotonic: () => nowMs, after: () => () => undefined };
  const log = { ...silentLog, error: (_message: string, fields?: LogFields) => lines.push(fields) };
  const advance = (ms: number) => (nowMs += ms);
  return { lines, advance, trouble: new TroubleLog({ ...log, error: (m, f) => void log.error(m, f) }, clock) };
}

t.test('the same trouble is one line a minute', (t) => {
  const { lines, advance, trouble } = setUp();
  const error = new UmbraError('STORE_DAMAGED', 'chunk c0ffee is damaged');
  for (let i = 0; i < 100; i++) trouble.report(error, 'read', '/vm/vda.raw');
  t.strictSame(lines, [
    { code: 'STORE_DAMAGED', reason: 'chunk c0ffee is damaged', operation: 'read', path: '/vm/vda.raw' },
  ]);
  advance(60_000);
  trouble.report(error, 'read', '/vm/vda.raw');
  t.equal(lines.length, 2);
  t.end();
});

t.test('other trouble is another line; what is not ours is INTERNAL', (t) => {
  const { lines, trouble } = setUp();
  trouble.report(new UmbraError('STORE_DAMAGED', 'chunk a'), 'read', '/x');
  trouble.report(new UmbraError('STORE_DAMAGED', 'chunk b'), 'read', '/x');
  trouble.report(new TypeError('a defect'), 'getattr', '/x');
  t.match(lines, [{ reason: 'chunk a' }, { reason: 'chunk b' }, { code: 'INTERNAL', reason: 'a defect' }]);
  t.end();
});

t.test('memory is bounded', (t) => {
  const { lines, trouble } = setUp();
  for (let i = 0; i < 2500; i++) trouble.report(new UmbraError('STORE_DAMAGED', `chunk ${i}`), 'read', '/x');
  t.equal(lines.length, 2500);
  t.end();
});
