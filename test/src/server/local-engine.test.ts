import { join } from 'node:path';
import t from 'tap';
import { openLocalEngine } from '../../../src/server/local-engine.js';
import { temporaryDirectory } from '../../kit/temporary.js';
import { makeEmpty } from '../../kit/test-store.js';

t.test('whoever deletes at once, one shadow copy stays, unless somebody insists', async (t) => {
  const engine = await openLocalEngine({
    store: join(temporaryDirectory(t), 'store'),
    create: { mode: 'must' },
    ask: () => Promise.reject(new TypeError('nothing is encrypted')),
  });
  t.teardown(() => engine.close());
  const store = await engine.upkeep().store();
  const names = [await makeEmpty(store, 'web', 1000), await makeEmpty(store, 'web', 2000)];
  const context = { signal: new AbortController().signal, progress: () => undefined };
  const forget = (version: string, force: boolean): Promise<unknown> =>
    engine.forget({ shadowCopies: [{ machine: 'web', version }], dryRun: false, force }, context);
  const ends = await Promise.allSettled(names.map((name) => forget(name, false)));
  t.same(ends.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected']);
  const [left] = store.catalog.shadowCopies('web');
  await t.rejects(forget(left?.name ?? '', false), { code: 'LAST_SHADOW_COPY' });
  await forget(left?.name ?? '', true);
  t.same(store.catalog.machines(), []);
});
