import t from 'tap';
import { loadOnce } from '../../../src/common/load-once.js';

void t.test('it is loaded once, whoever asks; what failed is tried again', async (t) => {
  let loads = 0;
  const load = loadOnce(() => {
    loads += 1;
    return loads === 1 ? Promise.reject(new Error('no such file')) : Promise.resolve({ number: loads });
  });
  t.equal(loads, 0, 'not before anybody asks');
  const failing = [load(), load()];
  for (const asked of failing) await t.rejects(asked, { message: 'no such file' });
  const loaded = await Promise.all([load(), load()]);
  t.equal(loaded[0], loaded[1]);
  t.equal(await load(), loaded[0]);
  t.equal(loads, 2);
});

void t.test('asking again is done before anything else that was begun', async (t) => {
  const load = loadOnce(() => import('../../../src/common/errors.js'));
  await load();
  let later = false;
  setImmediate(() => (later = true));
  await load();
  t.notOk(later);
});
