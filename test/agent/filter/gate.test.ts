import t from 'tap';
import { Gate } from '../../../agent/filter/gate.js';

t.test('who holds waits for those inside and keeps others out', async (t) => {
  const gate = new Gate();
  const done: string[] = [];
  let leave: () => void = () => undefined;
  const inside = gate.pass(async () => {
    await new Promise<void>((resolve) => {
      leave = resolve;
    });
    done.push('inside');
  });
  const held = gate.hold(10_000, () => done.push('held'));
  const again = gate.hold(10_000, async () => {
    await Promise.resolve();
    done.push('held again');
  });
  await new Promise((resolve) => setImmediate(resolve));
  const outside = gate.pass(async () => done.push('outside'));
  leave();
  await Promise.all([inside, held, again, outside]);
  t.strictSame(done.slice(0, 2), ['inside', 'held']);
  t.ok(done.includes('outside') && done.includes('held again'));
});

t.test('those inside who take too long end the hold, and all go on', async (t) => {
  const gate = new Gate();
  let leave: () => void = () => undefined;
  const inside = gate.pass(
    () =>
      new Promise<void>((resolve) => {
        leave = resolve;
      }),
  );
  await t.rejects(
    gate.hold(1, () => t.fail('not held')),
    { code: 'TRACKER_FAILED', message: /did not end within 1 ms/ },
  );
  t.equal(await gate.pass(async () => 'through'), 'through');
  leave();
  await inside;
  t.equal(await gate.hold(10_000, () => 'held'), 'held');
  await t.rejects(
    gate.hold(10_000, () => Promise.reject(new TypeError('work'))),
    { message: 'work' },
  );
  t.equal(await gate.pass(async () => 'open again'), 'open again');
});
