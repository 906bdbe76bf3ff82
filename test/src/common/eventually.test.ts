import t from 'tap';
import { after, orUndo, soon } from '../../../src/common/eventually.js';

t.test('what is there goes on at once, what comes goes on then', async (t) => {
  t.equal(
    after(1, (value) => value + 1),
    2,
  );
  t.equal(await after(Promise.resolve(1), (value) => value + 1), 2);
  t.throws(
    () =>
      after(1, () => {
        throw new RangeError('no');
      }),
    { message: 'no' },
  );
});

t.test('work that fails is undone before the error goes on, other work is not', async (t) => {
  let undone = 0;
  const undo = (): void => {
    undone++;
  };
  t.equal(
    orUndo(() => 1, undo),
    1,
  );
  t.equal(await orUndo(() => Promise.resolve(2), undo), 2);
  t.equal(undone, 0);
  t.throws(
    () =>
      orUndo(() => {
        throw new RangeError('at once');
      }, undo),
    { message: 'at once' },
  );
  t.equal(undone, 1);
  await t.rejects(async () => await orUndo(() => Promise.reject(new RangeError('later')), undo), { message: 'later' });
  t.equal(undone, 2);
});

t.test('errors of what nobody waits for are nobody’s', async (t) => {
  const done: string[] = [];
  soon(() => {
    done.push('throws');
    throw new RangeError('a defect');
  });
  soon(() => {
    done.push('rejects');
    return Promise.reject(new RangeError('a defect'));
  });
  t.strictSame(done, [], 'not now');
  await new Promise((resolve) => setImmediate(resolve));
  t.strictSame(done, ['throws', 'rejects']);
});
