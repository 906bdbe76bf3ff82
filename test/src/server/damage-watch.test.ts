import t, { type Test } from 'tap';
import { ObjectType } from '../../../src/codec/formats.js';
import { UmbraError } from '../../../src/common/errors.js';
import { silentLog, type Log } from '../../../src/common/log.js';
import { DamageWatch } from '../../../src/server/damage-watch.js';
import type { Listing } from '../../../src/store/catalog.js';
import type { Store } from '../../../src/store/store.js';
import { chunksOf, damageObject } from '../../kit/damage.js';
import { ManualClock } from '../../kit/manual-clock.js';
import { Random, testSeed } from '../../kit/random.js';
import { RecordedAlerts } from '../../kit/recorded-alerts.js';
import { QUIET } from '../../kit/store-model.js';
import { backUp, openTestStore } from '../../kit/test-store.js';

const LOOK_MS = 30_000;

class Lab {
  readonly clock = new ManualClock();
  readonly alerts = new RecordedAlerts();
  readonly contents = new Map<string, Buffer>();
  readonly warnings: string[] = [];
  readonly random: Random;
  changes = 0;
  /** How often a look has begun. */
  looks = 0;
  error: UmbraError | undefined;
  readonly store: Store;
  /** The machines of the shadow copies that were read. */
  #read: string[] = [];

  private constructor(store: Store, t: Test) {
    this.store = store;
    this.random = new Random(testSeed(t));
  }

  static async open(t: Test, machines: readonly string[]): Promise<Lab> {
    const lab = new Lab(await openTestStore(), t);
    for (const machine of machines) await lab.backUp(machine, lab.random.bytes(1_000_000));
    lab.beforeReading((listing) => {
      lab.#read.push(listing.machine);
    });
    return lab;
  }

  /** Have something happen whenever the record of a shadow copy is about to be read. */
  beforeReading(happens: (listing: Listing) => Promise<void> | void): void {
    const record = this.store.record.bind(this.store);
    this.store.record = async (listing) => {
      await happens(listing);
      return await record(listing);
    };
  }

  watch(t: Test): DamageWatch {
    const log: Log = { ...silentLog, warn: (message) => this.warnings.push(message) };
    const { clock, alerts } = this;
    const store = (): Promise<Store> => {
      this.looks++;
      return this.error === undefined ? Promise.resolve(this.store) : Promise.reject(this.error);
    };
    const onChange = (): void => {
      this.changes++;
    };
    const watch = new DamageWatch({ store, fileDamage: () => [], onChange, clock, log, alerts });
    t.teardown(() => watch.stop());
    return watch;
  }

  async backUp(machine: string, content = this.contents.get(machine) ?? Buffer.alloc(0)): Promise<void> {
    this.contents.set(machine, content);
    await backUp(this.store, machine, content);
  }

  /** Damage a chunk of a machine's newest shadow copy; it is known then. */
  async damage(machine: string): Promise<void> {
    const record = await this.store.record(this.store.catalog.find(machine, 'latest'));
    const [volume] = record.volumes;
    const [first] = await chunksOf(this.store, volume ?? { root: new Uint8Array(32), sizeBytes: 0 });
    const digest = first?.chunk.digest ?? new Uint8Array();
    await damageObject(this.store, ObjectType.chunk, digest);
    await this.store.reader.read(ObjectType.chunk, digest).catch(() => undefined);
    this.read();
  }

  /** Which were read since this was asked last, in order. */
  read(): string[] {
    return this.#read.splice(0);
  }
}

t.test('damage is told once, with whom it touches, and its end', async (t) => {
  const lab = await Lab.open(t, ['web']);
  const { clock, alerts } = lab;
  const watch = lab.watch(t);
  await watch.look();
  t.match([lab.changes, watch.since('web')], [0, undefined]);
  const foundFromMs = Date.now();
  await lab.damage('web');
  lab.error = new UmbraError('STORE_IN_USE', 'the store is being rebuilt');
  await watch.look();
  t.same([lab.changes, lab.warnings], [0, ['damage is not watched']]);
  lab.error = undefined;
  clock.advance(LOOK_MS);
  await watch.look();
  t.equal(lab.changes, 1);
  t.ok((watch.since('web') ?? 0) >= foundFromMs, 'since it was found');
  t.match(alerts.active.get('damage store'), {
    severity: 'critical',
    text: 'one object of the store is damaged: it is in the newest of web',
    facts: { objects: 1, machines: 1 },
  });
  await lab.backUp('web');
  await watch.look();
  t.match([lab.changes, watch.since('web')], [2, undefined]);
  t.same(alerts.announced, ['begin damage store', 'end damage store']);
});

t.test('only what may have changed is read again while damage stands', async (t) => {
  const lab = await Lab.open(t, ['db', 'mail', 'web']);
  const watch = lab.watch(t);
  await watch.look();
  t.same(lab.read(), [], 'nothing, as long as nothing is damaged');
  await lab.damage('web');
  await watch.look();
  t.same(lab.read(), ['db', 'mail', 'web'], 'all, since it may be in any');
  await watch.look();
  t.same(lab.read(), [], 'none without a reason');
  await lab.backUp('db', lab.random.bytes(1_000_000));
  const { looks } = lab;
  await Promise.all([watch.look(), watch.look(), watch.look()]);
  t.same([lab.read(), lab.looks - looks], [['db'], 1], 'the one that was backed up, once for all who ask');
  t.match([watch.since('db'), lab.changes], [undefined, 1]);

  await lab.damage('mail');
  await watch.look();
  t.same(lab.read(), ['db', 'mail', 'web'], 'more was found damaged');
  t.ok(watch.since('mail') !== undefined && watch.since('web') !== undefined);
  t.equal(
    lab.alerts.active.get('damage store')?.text,
    '2 objects of the store are damaged: it is in the newest of mail, web',
  );

  await backUp(lab.store, 'other', lab.contents.get('web') ?? Buffer.alloc(0));
  await watch.look();
  t.same(lab.read(), ['mail', 'other', 'web'], 'what heals may be of those that were touched, whoever stored it');
  t.match([watch.since('web'), watch.since('other')], [undefined, undefined]);
  t.ok(watch.since('mail') !== undefined, 'and the other one stays');

  await lab.store.forget(lab.store.catalog.find('mail', 'latest'));
  await watch.look();
  t.match([lab.read(), watch.since('mail')], [[], undefined], 'one that there is no more');
  t.equal(
    lab.alerts.active.get('damage store')?.text,
    'one object of the store is damaged: the newest shadow copies do not hold it',
  );
});

t.test('a shadow copy that is deleted, with its data, while it is read', async (t) => {
  const lab = await Lab.open(t, ['web']);
  await lab.damage('web');
  await lab.backUp('web', lab.random.bytes(1_000_000));
  const { store } = lab;
  const [older, newest] = store.catalog.shadowCopies('web');
  const watch = lab.watch(t);
  let during: number | undefined;
  lab.beforeReading(async (listing) => {
    if (listing !== newest || during !== undefined) return;
    await store.forget(listing);
    during = (await store.collect(QUIET)).deletedObjects;
  });
  await watch.look();
  t.equal(during, 0, 'its data stays as long as it is read');
  t.same(lab.warnings, []);
  t.ok((await store.collect(QUIET)).deletedObjects > 0, 'and no longer');
  t.match([watch.since('web'), lab.changes], [undefined, 0], 'nothing of it was damaged');
  t.equal(store.catalog.latest('web'), older);
  lab.clock.advance(LOOK_MS);
  await watch.look();
  t.ok(watch.since('web') !== undefined, 'then the one before is the newest, and is looked at');
  t.equal(
    lab.alerts.active.get('damage store')?.text,
    'one object of the store is damaged: it is in the newest of web',
  );
});

t.test('a machine that the disk fails to read: the others are looked at, and it later', async (t) => {
  const lab = await Lab.open(t, ['db', 'mail', 'web']);
  await lab.damage('web');
  const watch = lab.watch(t);
  let fails = true;
  lab.beforeReading(({ machine }) => {
    if (machine === 'mail' && fails) throw new UmbraError('STORE_FAILED', 'the disk does not answer');
  });
  const look = async (): Promise<void> => {
    lab.clock.advance(LOOK_MS);
    await watch.look();
  };
  await look();
  t.same(lab.read(), ['db', 'web'], 'also what comes behind it');
  t.ok(watch.since('web') !== undefined);
  t.match([lab.changes, lab.alerts.announced], [1, ['begin damage store']], 'what was found out is told');
  const text = (): string | undefined => lab.alerts.active.get('damage store')?.text;
  t.equal(text(), "one object of the store is damaged: it is in the newest of web; the newest of mail can't be read");
  await look();
  t.same(lab.read(), []);
  const warning = 'damage is not watched in all machines';
  t.same(lab.warnings, [warning], 'a fault that stays is said once');
  fails = false;
  await lab.damage('mail');
  fails = true;
  await look();
  t.same(lab.read(), ['db', 'web'], 'the others for what was found since');
  fails = false;
  await look();
  t.same(lab.read(), ['mail']);
  t.ok(watch.since('mail') !== undefined);
  t.equal(text(), '2 objects of the store are damaged: it is in the newest of mail, web');
  t.same(lab.warnings, [warning]);
  await lab.backUp('mail', lab.random.bytes(1_000_000));
  fails = true;
  await look();
  t.same(lab.warnings, [warning, warning], 'once it was over, another one is said');
  t.ok(watch.since('mail') !== undefined, 'and what was known of it holds until it is read');
});
