import t from 'tap';
import { CommitQueue } from '../../../../agent/filter/log/commit-queue.js';
import type { LogRecord } from '../../../../agent/filter/log/records.js';

const [ONE, TWO, THREE] = [1, 2, 3].map((file): LogRecord => ({ t: 'everything', file }));

t.test('who comes while a batch is written shares the next one, and hears of its end only', async (t) => {
  const written: (readonly LogRecord[])[] = [];
  const ends: ((error?: Error) => void)[] = [];
  const queue = new CommitQueue((records) => {
    written.push(records);
    return new Promise((resolve, reject) => {
      ends.push((error) => {
        if (error === undefined) resolve();
        else reject(error);
      });
    });
  });
  if (ONE === undefined || TWO === undefined || THREE === undefined) return;
  const first = queue.add(ONE);
  const others = [queue.add(TWO), queue.add(THREE)];
  t.strictSame(written, [[ONE]], 'the first is written at once');
  const all = queue.outstanding();
  ends[0]?.();
  await first;
  while (written.length < 2) await Promise.resolve();
  t.strictSame(written[1], [TWO, THREE]);
  ends[1]?.(new Error('full'));
  for (const other of others) await t.rejects(other, { message: 'full' });
  await t.rejects(all, { message: 'full' });
  await queue.outstanding();
  const last = queue.add(ONE);
  while (written.length < 3) await Promise.resolve();
  ends[2]?.();
  await last;
  t.strictSame(written[2], [ONE], 'a failure is that of its batch alone');
});
