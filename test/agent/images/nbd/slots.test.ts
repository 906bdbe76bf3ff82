import t from 'tap';
import { Slots } from '../../../../agent/images/nbd/slots.js';

t.test('only so many at once, in order, failures too', async (t) => {
  const slots = new Slots(2);
  const started: number[] = [];
  const release: (() => void)[] = [];
  const results = [0, 1, 2, 3].map((index) =>
    slots.use(async () => {
      started.push(index);
      await new Promise<void>((resolve) => release.push(resolve));
      if (index === 0) throw new RangeError('no');
      return index;
    }),
  );
  const settled = Promise.allSettled(results);
  t.same(started, [0, 1]);
  release[0]?.();
  await t.rejects(Promise.all(results.slice(0, 1)), RangeError);
  t.same(started, [0, 1, 2]);
  while (release.length < 4) {
    release.at(-1)?.();
    await Promise.resolve();
  }
  for (const go of release) go();
  t.same(
    (await settled).map(({ status }) => status),
    ['rejected', 'fulfilled', 'fulfilled', 'fulfilled'],
  );
  t.same(started, [0, 1, 2, 3]);
});
