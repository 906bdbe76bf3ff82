import t from 'tap';
import { loadMarkingThreads, threadKeys, type ThreadKeys } from '../../../../src/system/fuse/thread-key.js';

/** Keys like those of the C library, in which others can be seen and disturbed. */
class FakeKeys implements ThreadKeys {
  readonly time = 'time';
  readonly made = new Map<number, unknown>([[0, 'of somebody']]);
  /** Called when a key was deleted. */
  onDelete: (key: number) => void = () => undefined;

  create(destructor: unknown): number {
    let key = 0;
    while (this.made.has(key)) key++;
    this.made.set(key, destructor);
    return key;
  }

  delete(key: number): void {
    this.made.delete(key);
    this.onDelete(key);
  }
}

t.test('the key that is made by loading gets its destructor', async (t) => {
  const keys = new FakeKeys();
  const { loaded, marked } = loadMarkingThreads(() => keys.create(null), keys);
  t.ok(marked);
  t.same(
    [...keys.made],
    [
      [0, 'of somebody'],
      [loaded, 'time'],
    ],
  );
});

t.test('with keys of the C library too', async (t) => {
  const keys = threadKeys();
  t.ok(keys);
  if (keys === undefined) return;
  const { loaded, marked } = loadMarkingThreads(() => keys.create(null));
  t.ok(marked);
  keys.delete(loaded);
});

t.test('where it is not certain which key it is, no key is touched', async (t) => {
  t.equal(loadMarkingThreads(() => 7).marked, false, 'none was made');
  const keys = new FakeKeys();
  const load = () => [keys.create('of another library'), keys.create(null)];
  const { loaded, marked } = loadMarkingThreads(load, keys);
  t.notOk(marked);
  t.same(
    loaded.map((key) => keys.made.get(key)),
    ['of another library', null],
  );
  keys.create = () => -1;
  t.notOk(loadMarkingThreads(() => 7, keys).marked, 'no keys are left');
});

t.test('a key that is lost to another thread is a defect', async (t) => {
  const keys = new FakeKeys();
  const load = () => {
    const key = keys.create(null);
    // Only when it is deleted to be made again, not when free keys are looked for.
    keys.onDelete = (deleted) => {
      if (deleted === key) keys.create('of another thread');
    };
    return key;
  };
  t.throws(() => loadMarkingThreads(load, keys), { code: 'INTERNAL', hint: /umbra stop/ });
});
