import t from 'tap';

import { leaseListed, Leases, leaseUnlessDeleted } from '../../../src/store/leases.js';

const listing = (order: number): Parameters<Leases['take']>[0] => ({
  machine: 'a',
  name: `${order}`,
  timeMs: 0,
  order,
  record: new Uint8Array(32).fill(order),
});

t.test('say who holds what until they are given back', (t) => {
  const leases = new Leases();
  const silent = leases.take(listing(1));
  t.equal(leases.holder(listing(1)), undefined, 'its data stays, and it may be forgotten');
  const first = leases.take(listing(1), 'vda.raw is open');
  const second = leases.take(listing(1), 'a restore');
  t.equal(leases.holder(listing(1)), 'vda.raw is open');
  t.equal(leases.holder(listing(2)), undefined);
  t.equal(leases.listings().length, 3);
  first();
  first();
  t.equal(leases.holder(listing(1)), 'a restore');
  second();
  silent();
  t.same(leases.listings(), []);
  t.end();
});

t.test('what was deleted is not leased', (t) => {
  const leases = new Leases();
  const [known, other] = [listing(1), listing(2)];
  const catalog = { find: () => known };
  const giveBack = leaseListed({ catalog, leases }, known, 'a restore');
  t.equal(leases.holder(known), 'a restore');
  giveBack();
  t.throws(() => leaseListed({ catalog, leases }, other), { code: 'NOT_FOUND' });
  t.equal(leaseUnlessDeleted({ catalog, leases }, other), undefined);
  t.same(leases.listings(), []);
  leaseUnlessDeleted({ catalog, leases }, known);
  t.same(leases.listings(), [known]);
  t.end();
});
