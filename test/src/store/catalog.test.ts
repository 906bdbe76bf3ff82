import t from 'tap';

import { Catalog, type Listing } from '../../../src/store/catalog.js';
import { catalogKey } from '../../../src/store/keys.js';
import { damagedListings, deleteListing, putListing, readSummaries } from '../../../src/store/listing.js';
import { openMemoryKv } from '../../../src/store/memory-kv.js';
import { damageValue, flipBit } from '../../kit/store-damage.js';
import { Random, testSeed } from '../../kit/random.js';

const SUMMARY = {
  consistency: 'crash',
  tracker: 'scan',
  pauseMs: 7,
  volumes: [{ name: 'vda', sizeBytes: 9, dataBytes: 4096, root: Buffer.alloc(32, 3) }],
} as const;

function listing(machine: string, order: number, timeMs = order * 1000): Listing {
  const name = new Date(timeMs).toISOString().slice(0, 19).replaceAll(':', '-') + 'Z';
  return { machine, name, timeMs, order, record: new Uint8Array(32).fill(order) };
}

t.test('lists machines in order, and shadow copies in the order they were made, whatever the clock said', (t) => {
  const catalog = new Catalog();
  const made = [listing('web', 1, 5000), listing('web', 2, 3000), listing('web', 3, 4000), listing('db', 4)];
  for (const each of [2, 0, 3, 1].map((index) => made[index])) if (each !== undefined) catalog.insert(each);
  t.same(catalog.machines(), ['db', 'web']);
  t.same(catalog.shadowCopies('web'), made.slice(0, 3));
  t.equal(catalog.latest('web'), made[2]);
  t.equal(catalog.find('web', 'latest'), made[2]);
  t.equal(catalog.find('web', made[0]?.name ?? ''), made[0]);
  t.same([...catalog.all()], [made[3], ...made.slice(0, 3)]);
  t.throws(() => catalog.find('mail', 'latest'), { code: 'NOT_FOUND', message: /no machine "mail"/ });
  t.throws(() => catalog.find('web', '2000-01-01T00-00-00Z'), { code: 'NOT_FOUND', message: /no shadow copy/ });
  for (const { name } of made) catalog.remove('web', name);
  t.same(catalog.machines(), ['db'], 'a machine without shadow copies is gone');
  catalog.insert(listing('app', 5));
  t.same(catalog.machines(), ['app', 'db'], 'and a new one is there');
  t.equal(catalog.latest('web'), undefined);
  t.end();
});

t.test('finds free names', (t) => {
  const catalog = new Catalog();
  catalog.insert(listing('web', 1));
  t.equal(
    catalog.freeName('db', 1000, () => false),
    '1970-01-01T00-00-01Z',
  );
  t.equal(
    catalog.freeName('web', 1999, () => false),
    '1970-01-01T00-00-01Z-2',
  );
  t.equal(
    catalog.freeName('web', 1000, (name) => name.endsWith('-2')),
    '1970-01-01T00-00-01Z-3',
  );
  t.end();
});

t.test('is loaded as it was written, with summaries', async (t) => {
  const meta = openMemoryKv();
  const listings = [listing('a', 1), listing('a', 2), listing('a-b', 3), listing('a.b', 4)];
  await meta.write(
    listings.map((each) => putListing(each, SUMMARY)),
    { sync: true },
  );
  const catalog = await Catalog.load(meta);
  t.same([...catalog.all()], listings);
  t.same(
    await readSummaries(meta, listings),
    listings.map((each) => ({ listing: each, summary: SUMMARY })),
  );
  await meta.write([deleteListing('a', listings[0]?.name ?? '')], { sync: true });
  t.equal((await readSummaries(meta, listings)).length, 3);
  t.equal([...(await Catalog.load(meta)).all()].length, 3);
});

t.test('damage is noticed', async (t) => {
  const random = new Random(testSeed(t));
  for (let round = 0; round < 50; round++) {
    const meta = openMemoryKv();
    const [good, bad] = [listing('a', 1), listing('b', 2)];
    await meta.write(
      [good, bad].map((each) => putListing(each, SUMMARY)),
      { sync: true },
    );
    await damageValue(meta, catalogKey(bad.machine, bad.name), (value) =>
      random.chance(0.3) ? value.subarray(0, random.below(value.length)) : flipBit(random, value),
    );
    await t.rejects(Catalog.load(meta), { code: 'STORE_DAMAGED', hint: /umbra rebuild/ });
    await t.rejects(readSummaries(meta, [bad]), { code: 'STORE_DAMAGED' });
    t.same(await damagedListings(meta), [`b@${bad.name}`]);
  }
});
