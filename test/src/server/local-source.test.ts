import t from 'tap';
import { REGION_BYTES } from '../../../src/codec/formats.js';
import { CHAINS_FILE, encodeChains } from '../../../src/protocol/stored-chains.js';
import { LocalSource } from '../../../src/server/local-source.js';
import { ByteCache } from '../../../src/store/byte-cache.js';
import { RegionCache } from '../../../src/tree/region-cache.js';
import { openMemoryStore } from '../../kit/memory-store.js';
import { Random, testSeed } from '../../kit/random.js';
import { randomVolume } from '../../kit/volumes.js';
import { WatchedPool } from '../../kit/watched-pool.js';

const QUIET = { progress: () => undefined, signal: new AbortController().signal };

t.test('who looks into a volume does not keep the shadow copy, only its data until the reader is closed', async (t) => {
  const { store, backUp } = await openMemoryStore(t);
  const pool = new WatchedPool(store.format, 1);
  t.teardown(() => pool.close());
  const regions = new RegionCache({ reader: () => store.reader, pool: () => pool, maxBytes: 4 * REGION_BYTES });
  // No cache: every read goes to the store.
  const chunks = new ByteCache<Uint8Array>(0);
  const source = new LocalSource(
    () => store,
    () => ({ reader: store.reader, regions, chunks, reading: new Map() }),
  );
  const content = randomVolume(new Random(testSeed(t)), 3 * REGION_BYTES);
  await backUp({ vda: content });
  const [machine = ''] = await source.machines();
  const [summary] = source.shadowCopies(machine);
  const listing = store.catalog.find(machine, summary?.name ?? '');
  const view = await source.open(machine, listing.name);

  const giveBack = await view.keep('a file is open in a mount');
  await t.rejects(store.forget(listing), { code: 'SHADOW_COPY_OPEN', message: /a file is open in a mount/ });
  giveBack();
  await t.rejects(view.lookInto('vdb'), { code: 'NOT_FOUND' });
  const open = await view.openVolume('vda');
  await t.rejects(store.forget(listing), { code: 'SHADOW_COPY_OPEN', message: /vda\.raw is open/ });
  await open.close();

  const reader = await view.lookInto('vda');
  await store.forget(listing);
  await store.collect(QUIET);
  const read = Buffer.alloc(content.length);
  t.equal(await reader.read(read, 0), content.length);
  t.ok(read.equals(content), 'its data is still there');
  await t.rejects(view.lookInto('vda'), { code: 'NOT_FOUND' });
  await t.rejects(async () => view.keep('anybody'), { code: 'NOT_FOUND' });
  await reader.close();
  await reader.close();
  t.ok((await store.collect(QUIET)).deletedObjects > 0, 'and now it is not');
});

t.test('what is known of a shadow copy names the disks that stored files make up', async (t) => {
  const { store, backUp } = await openMemoryStore(t);
  const source = new LocalSource(
    () => store,
    () => {
      throw new Error('nothing is read');
    },
  );
  const files = [{ volume: 'vda.0', path: '/base', format: 'raw' } as const];
  const config = [{ name: CHAINS_FILE, data: encodeChains([{ disk: 'vda', files }]) }];
  const about = async (...[volumes, options]: Parameters<typeof backUp>): Promise<unknown> => {
    await backUp(volumes, options);
    return (await source.open('m1', source.shadowCopies('m1').at(-1)?.name ?? '')).about['disks'];
  };
  t.same(await about({ 'vda.0': Buffer.alloc(5) }, { config }), [{ name: 'vda', files: ['vda.0'] }]);
  t.equal(await about({ vda: Buffer.alloc(5) }), undefined);
});
