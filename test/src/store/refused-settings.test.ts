import t, { type Test } from 'tap';
import { UmbraError } from '../../../src/common/errors.js';
import type { KvOperation, KvStore } from '../../../src/store/kv.js';
import { Shares } from '../../../src/store/shares.js';
import type { Store } from '../../../src/store/store.js';
import { kvWith } from '../../kit/kv-with.js';
import { ManualClock } from '../../kit/manual-clock.js';
import { backUp, type Databases, memoryDatabases, openTestStore } from '../../kit/test-store.js';

const quiet = { signal: new AbortController().signal, progress: () => undefined };
const DATA = { name: 'data', machine: 'web', path: 'vda1/srv/data' };
const HOME = { name: 'home', machine: 'web', path: 'vda2' };
const FULL = { code: 'STORE_FULL' };
const SOON_MS = 5 * 60_000;

/** A disk that can be full, for one of two databases. */
class Disk {
  readonly under = memoryDatabases();
  readonly clock = new ManualClock();
  full: 'objects' | 'meta' | 'both' | undefined;
  /** What is refused is there all the same. */
  keepsRefused = false;
  hasReserve = true;

  get databases(): Databases {
    return { objects: this.#kv('objects'), meta: this.#kv('meta') };
  }

  #kv(database: 'objects' | 'meta'): KvStore {
    const kv = this.under[database];
    const write = async (operations: readonly KvOperation[], options: { readonly sync: boolean }): Promise<void> => {
      if (this.full !== database && this.full !== 'both') return kv.write(operations, options);
      if (this.keepsRefused) await kv.write(operations, options);
      throw new UmbraError('STORE_FULL', 'the disk is full');
    };
    // Another server opens it again.
    return kvWith(kv, { write, close: () => Promise.resolve() });
  }

  readonly spend = async (task: () => Promise<void>): Promise<void> => {
    if (this.hasReserve) this.full = undefined;
    await task();
  };

  /** As a server has it; HOME is shared. */
  async open(): Promise<Store> {
    const { clock, spend } = this;
    const store = await openTestStore(this.databases, undefined, { clock, spend });
    await backUp(store, 'web', Buffer.alloc(4096, 1));
    await new Shares(() => store).add(HOME);
    return store;
  }

  /** What the next server finds. */
  async shared(): Promise<string[]> {
    return (await openTestStore(this.under)).settings.shares.map(({ name }) => name);
  }
}

/** Share DATA, which fails, and is there all the same: at once, or as soon as the index is written again. */
async function refuse(t: Test, disk: Disk, store: Store, full: 'objects' | 'meta'): Promise<void> {
  disk.full = full;
  disk.keepsRefused = full === 'objects';
  await t.rejects(new Shares(() => store).add(DATA), FULL);
  disk.keepsRefused = false;
  t.same(store.settings.shares, [HOME], 'for the server that refused it, it does not hold');
}

/** What has begun with its settings has ended: what comes next waits for it. */
function settled(store: Store): Promise<void> {
  return store.updateSettings((settings) => settings);
}

for (const full of ['objects', 'meta'] as const) {
  void t.test(`what was refused since ${full} had no room does not hold in the next server`, async (t) => {
    const disk = new Disk();
    const store = await disk.open();
    await refuse(t, disk, store, full);
    await store.close();
    t.same(await disk.shared(), ['home']);
  });

  void t.test(`nor after a kill, when ${full} had room again`, async (t) => {
    const disk = new Disk();
    const store = await disk.open();
    await refuse(t, disk, store, full);
    t.same(await disk.shared(), ['data', 'home'], 'nobody could write anything else');
    const again = new Disk();
    const running = await again.open();
    await refuse(t, again, running, full);
    again.clock.advance(SOON_MS);
    await settled(running);
    again.full = undefined;
    again.clock.advance(SOON_MS);
    await settled(running);
    t.same(await again.shared(), ['home']);
  });
}

void t.test('a collection deletes what was refused, and not what holds', async (t) => {
  const disk = new Disk();
  const store = await disk.open();
  await refuse(t, disk, store, 'meta');
  disk.full = undefined;
  await store.collect(quiet);
  t.same(await disk.shared(), ['home']);
});

void t.test('what is accepted holds, also if the same was refused before something else was', async (t) => {
  const disk = new Disk();
  const store = await disk.open();
  await refuse(t, disk, store, 'meta');
  disk.full = 'both';
  disk.keepsRefused = true;
  await t.rejects(new Shares(() => store).remove('home'), FULL);
  disk.full = undefined;
  await new Shares(() => store).add(DATA);
  t.same(await disk.shared(), ['data', 'home']);
});

void t.test('without a reserve nobody can see to it, and closing ends all the same', async (t) => {
  const disk = new Disk();
  disk.hasReserve = false;
  const store = await disk.open();
  await refuse(t, disk, store, 'objects');
  await store.close();
  await store.close();
  t.same(await disk.shared(), ['data', 'home']);
});
