import t from 'tap';
import { Listing, resolveScope } from '../../mount/listing.js';
import type { ShadowCopySource } from '../../mount/source.js';
import { FakeSource } from '../kit/fake-source.js';

const T0 = Date.UTC(2026, 10, 22, 10, 15);

function setUp() {
  const source = new FakeSource();
  const [a, b] = [source.add('vm', T0), source.add('vm', T0 + 1000)];
  source.add('other', T0);
  const forgotten: string[] = [];
  const onForgotten = (machine: string, version: string) => forgotten.push(`${machine}@${version}`);
  return { source, a, b, forgotten, onForgotten };
}

t.test('everything', async (t) => {
  const { source, a, b, onForgotten } = setUp();
  const listing = new Listing(source, undefined, onForgotten);
  t.strictSame(await listing.machines(), ['other', 'vm']);
  const index = await listing.versions('vm');
  t.strictSame([...index.byName.keys()], [a, b]);
  t.equal(index.latest?.name, b);
  t.equal(await listing.versions('vm'), index, 'the index is kept while the array is the same');
  t.equal((await listing.versions('none')).list.length, 0);
});

t.test('names that are no machine are not even asked for', async (t) => {
  const source: ShadowCopySource = {
    machines: () => Promise.resolve([]),
    shadowCopies: (machine) => Promise.reject(new Error(`asked for ${machine}`)),
    open: () => Promise.reject(new Error('opened')),
  };
  const listing = new Listing(source, undefined, () => undefined);
  for (const name of ['.Trash', '.hidden', '.shares', '-x']) t.equal((await listing.versions(name)).list.length, 0);
});

t.test('one machine; one version, with `latest` only if it is that', async (t) => {
  const { source, a, b, onForgotten } = setUp();
  const machine = new Listing(source, { machine: 'vm' }, onForgotten);
  t.strictSame(await machine.machines(), ['vm']);
  t.equal((await machine.versions('other')).list.length, 0);
  t.equal((await machine.versions('vm')).list.length, 2);
  const old = await new Listing(source, { machine: 'vm', version: a }, onForgotten).versions('vm');
  t.strictSame([old.list.map(({ name }) => name), old.latest], [[a], undefined]);
  const latest = await new Listing(source, { machine: 'vm', version: b }, onForgotten).versions('vm');
  t.strictSame([latest.list.map(({ name }) => name), latest.latest?.name], [[b], b]);
});

t.test('it says what was forgotten', async (t) => {
  const { source, a, b, forgotten, onForgotten } = setUp();
  const listing = new Listing(source, undefined, onForgotten);
  await listing.versions('vm');
  source.add('vm', T0 + 2000);
  source.forget('vm', a);
  await listing.versions('vm');
  t.strictSame(forgotten, [`vm@${a}`]);
  for (const { name } of await source.shadowCopies('vm')) source.forget('vm', name);
  t.strictSame(await listing.machines(), ['other']);
  await listing.versions('vm');
  t.strictSame(forgotten.slice(1), [`vm@${b}`, 'vm@2026-11-22T10-15-02Z']);
});

t.test('the scope of a mount', async (t) => {
  const { source, a, b } = setUp();
  t.equal(await resolveScope(source, undefined, undefined), undefined);
  t.strictSame(await resolveScope(source, 'vm', undefined), { machine: 'vm' });
  t.strictSame(await resolveScope(source, 'vm', a), { machine: 'vm', version: a });
  t.strictSame(await resolveScope(source, 'vm', 'latest'), { machine: 'vm', version: b });
  await t.rejects(resolveScope(source, 'none', undefined), { code: 'NOT_FOUND', message: /none/ });
  await t.rejects(resolveScope(source, 'vm', '2020-01-01T00-00-00Z'), { code: 'NOT_FOUND', message: /vm@2020/ });
  await t.rejects(resolveScope(source, undefined, a), { code: 'BAD_ARGUMENT' });
});
