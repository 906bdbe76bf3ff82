import t from 'tap';
import { UmbraError } from '../../src/common/errors.js';
import type { ShadowCopySummary } from '../../mount/source.js';
import { ViewCache } from '../../mount/views.js';
import { FakeSource } from '../kit/fake-source.js';

const T0 = Date.UTC(2026, 10, 22, 10, 15);

async function setUp(count: number, configBytes = 0) {
  const source = new FakeSource();
  const config = [{ name: 'vm.xml', data: new Uint8Array(configBytes) }];
  for (let i = 0; i < count; i++) source.add('vm', T0 + i * 1000, { config });
  const summaries = await source.shadowCopies('vm');
  const at = (i: number): ShadowCopySummary => summaries[i] ?? { name: 'none', timeMs: 0 };
  return { source, views: new ViewCache(source), at };
}

t.test('a shadow copy is opened once, also when many ask at the same time', async (t) => {
  const { source, views, at } = await setUp(1);
  const found = await Promise.all(Array.from({ length: 10 }, () => views.get('vm', at(0))));
  t.equal(source.opens, 1);
  t.equal(new Set(found).size, 1);
});

t.test('the least recently used one goes first', async (t) => {
  const { source, views, at } = await setUp(65);
  for (let i = 0; i < 64; i++) await views.get('vm', at(i));
  await views.get('vm', at(0));
  await views.get('vm', at(64));
  t.equal(source.opens, 65);
  await views.get('vm', at(0));
  t.equal(source.opens, 65, 'used a moment ago');
  await views.get('vm', at(1));
  t.equal(source.opens, 66, 'the oldest was thrown away');
});

t.test('large configurations are bounded in bytes, but one is always kept', async (t) => {
  const { source, views, at } = await setUp(3, 10 * 1024 * 1024);
  await views.get('vm', at(0));
  await views.get('vm', at(0));
  t.equal(source.opens, 1);
  await views.get('vm', at(1));
  await views.get('vm', at(0));
  t.equal(source.opens, 3);
});

t.test('an error is not kept', async (t) => {
  const { source, views, at } = await setUp(1);
  source.openError = new UmbraError('STORE_DAMAGED', 'damaged');
  await t.rejects(views.get('vm', at(0)), { code: 'STORE_DAMAGED' });
  source.openError = undefined;
  t.ok(await views.get('vm', at(0)));
});
