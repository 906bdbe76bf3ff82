import t from 'tap';
import { ObjectType, REGION_BYTES } from '../../../src/codec/formats.js';
import { UmbraError } from '../../../src/common/errors.js';
import type { VolumeRecord } from '../../../src/store/records.js';
import { TreeReader } from '../../../src/tree/tree-reader.js';
import { chunksOf, damageObject } from '../../kit/damage.js';
import { assertSlotsFree, MachineBackups, testPool } from '../../kit/machine-backups.js';
import { Random, testSeed } from '../../kit/random.js';
import { changedVolume, randomVolume } from '../../kit/volumes.js';

const pool = testPool(t);
const FULL = new UmbraError('STORE_FULL', 'the disk is full');

/** Which listed shadow copies of `web` are not one of `models` from beginning to end. */
async function notWhole(bench: MachineBackups, models: readonly Buffer[]): Promise<string[]> {
  const wrong: string[] = [];
  for (const name of bench.listed('web')) {
    const content = (await bench.volumes('web', name)).get('vda');
    if (content === undefined || !models.some((model) => model.equals(content))) wrong.push(name);
  }
  return wrong;
}

for (const database of ['objects', 'meta'] as const) {
  for (const applied of [0, 1, Infinity]) {
    t.test(
      `a full disk at each write of ${database}, ${applied} operations done: nothing half is listed, a retry succeeds`,
      async (t) => {
        const random = new Random(testSeed(t));
        const first = randomVolume(random, 2 * REGION_BYTES);
        const second = changedVolume(random, first, 2 * REGION_BYTES + 999);
        second.set(random.bytes(50_000), 1000);
        for (let write = 0; ; write++) {
          const bench = await MachineBackups.open(pool);
          await bench.backUp('web', { vda: first });
          bench.faults[database].push({ on: 'write', after: write, error: FULL, partial: applied });
          const outcome = await bench.backUp('web', { vda: second }).then(
            () => undefined,
            (error: unknown) => error,
          );
          if (bench.faults[database].pending().length > 0) {
            t.ok(write > 0, `${write} writes could fail`);
            t.equal(outcome, undefined);
            break;
          }
          t.match(outcome, { code: 'STORE_FULL' }, `write ${write}`);
          t.equal(bench.listed('web').length, 1);
          const after = await bench.reopen();
          t.same(await notWhole(after, [first, second]), [], 'another process finds nothing half');
          await after.backUp('web', { vda: second });
          t.same(await notWhole(await after.reopen(), [first, second]), [], 'and goes on');
          await bench.backUp('web', { vda: second });
          t.equal(bench.listed('web').length, 2);
          t.same(await notWhole(bench, [first, second]), []);
          t.same(await notWhole(await bench.reopen(), [first, second]), []);
        }
        await assertSlotsFree(t, pool);
      },
    );
  }
}

/** The volume of the latest shadow copy of `web`. */
async function latestVolume(bench: MachineBackups): Promise<VolumeRecord> {
  const [volume] = (await bench.store.record(bench.store.catalog.find('web', 'latest'))).volumes;
  if (volume === undefined) throw new RangeError('no volume');
  return volume;
}

async function digestOfKind(bench: MachineBackups, type: ObjectType): Promise<Uint8Array> {
  const volume = await latestVolume(bench);
  if (type === ObjectType.inner) return volume.root;
  const leaf = await new TreeReader(bench.store.reader, volume).leafDigest(1);
  const [, chunk] = await chunksOf(bench.store, volume);
  const digest = type === ObjectType.leaf ? leaf : chunk?.chunk.digest;
  return digest ?? new Uint8Array();
}

for (const type of [ObjectType.chunk, ObjectType.leaf, ObjectType.inner] as const) {
  for (const how of ['flip', 'delete'] as const) {
    t.test(`an object of type ${type} that was found damaged (${how}) is whole after the next backup`, async (t) => {
      const content = new Random(5).bytes(2 * REGION_BYTES);
      const warm = await MachineBackups.open(pool);
      await warm.backUp('web', { vda: content });
      const digest = await digestOfKind(warm, type);
      await damageObject(warm.store, type, digest, how);
      const bench = await warm.reopen();
      await t.rejects(bench.volumes('web', 'latest'), { code: 'STORE_DAMAGED' });
      t.ok(bench.store.objectStore.hasDamage);
      const { volumes } = await bench.backUp('web', { vda: content });
      t.equal(volumes[0]?.newChunks, type === ObjectType.chunk ? 1 : 0);
      const healed = await bench.reopen();
      t.equal(healed.listed('web').length, 2);
      t.same(await notWhole(healed, [content]), []);
    });
  }
}

t.test('a damaged node that only the backup finds, and a damaged record, cost nothing but time', async (t) => {
  const random = new Random(testSeed(t));
  const content = random.bytes(2 * REGION_BYTES);
  for (const type of [ObjectType.inner, ObjectType.record] as const) {
    const warm = await MachineBackups.open(pool);
    await warm.backUp('web', { vda: content });
    const listing = warm.store.catalog.find('web', 'latest');
    await damageObject(warm.store, type, type === ObjectType.record ? listing.record : (await latestVolume(warm)).root);
    const bench = await warm.reopen();
    const { shadowCopy, volumes } = await bench.backUp('web', { vda: content });
    t.equal(volumes[0]?.newBytes, 0);
    t.ok((await (await bench.reopen()).volumes('web', shadowCopy)).get('vda')?.equals(content));
  }
});
