import { join } from 'node:path';
import t, { type Test } from 'tap';
import { sendShadowCopy, type Sent } from '../../../agent/send/send-shadow-copy.js';
import type { CheckpointVolume } from '../../../agent/trackers/tracker.js';
import { toHex } from '../../../src/codec/digest.js';
import { ObjectType, REGION_BYTES } from '../../../src/codec/formats.js';
import { systemClock } from '../../../src/common/clock.js';
import { encodeFrame } from '../../../src/protocol/frames.js';
import type { Store } from '../../../src/store/store.js';
import { TreeReader } from '../../../src/tree/tree-reader.js';
import { chunksOf, damageObject } from '../../kit/damage.js';
import { ingestServer, memoryCheckpoint, memoryVolume, rawConnection } from '../../kit/ingest.js';
import { Random, testSeed } from '../../kit/random.js';
import { temporaryDirectory } from '../../kit/temporary.js';
import { openTestStore, readBack } from '../../kit/test-store.js';
import { randomVolume } from '../../kit/volumes.js';

interface Lab {
  readonly store: Store;
  readonly server: ReturnType<typeof ingestServer>;
  readonly send: (volume: CheckpointVolume) => Promise<Sent>;
  readonly damage: (region: number) => Promise<void>;
  readonly isWhole: (content: Buffer, version?: string) => Promise<boolean>;
}

async function lab(t: Test): Promise<Lab> {
  const store = await openTestStore();
  const server = ingestServer(store);
  t.teardown(() => server.pool.close());
  const directory = temporaryDirectory(t);
  const latest = async (): Promise<Awaited<ReturnType<Store['record']>> | undefined> => {
    const listing = store.catalog.latest('vm');
    return listing && (await store.record(listing));
  };
  let checkpoints = 0;
  const send: Lab['send'] = async (volume) => {
    const base = await latest();
    return await sendShadowCopy({
      machine: 'vm',
      tracker: 'scan',
      checkpoint: memoryCheckpoint(`c${++checkpoints}`, [volume]),
      base: base && {
        shadowCopy: base.name,
        volumes: base.volumes.map(({ name, sizeBytes, root }) => ({ name, sizeBytes, root: toHex(root) })),
      },
      connect: server.connect('host1'),
      fingerprintFile: (name) => join(directory, name),
      clock: systemClock,
      signal: new AbortController().signal,
    });
  };
  const damage: Lab['damage'] = async (region) => {
    const [volume] = (await latest())?.volumes ?? [];
    const all = await chunksOf(store, volume ?? { root: new Uint8Array(32), sizeBytes: 0 });
    const digest = all.find((found) => found.region === region)?.chunk.digest ?? new Uint8Array();
    await damageObject(store, ObjectType.chunk, digest);
    await store.reader.read(ObjectType.chunk, digest).catch(() => undefined);
  };
  const isWhole: Lab['isWhole'] = async (content, version = 'latest') =>
    (await readBack(store, store.catalog.find('vm', version))).subarray(0, content.length).equals(content);
  return { store, server, send, damage, isWhole };
}

t.test('of a tracker that says that nothing has changed, the damaged regions alone are read again', async (t) => {
  const random = new Random(testSeed(t));
  const content = randomVolume(random, 4 * REGION_BYTES - 3000);
  content.set(random.bytes(300_000), 2 * REGION_BYTES);
  const { store, send, damage, isWhole } = await lab(t);
  await send(memoryVolume('vda', content));
  const first = store.catalog.find('vm', 'latest').name;
  await damage(2);
  t.ok(store.objectStore.hasDamage);
  await t.rejects(isWhole(content), { code: 'STORE_DAMAGED' });
  const { readBytes } = await send(memoryVolume('vda', content, []));
  t.equal(readBytes, REGION_BYTES, 'one region was read');
  t.notOk(store.objectStore.hasDamage, 'and is whole');
  t.ok(await isWhole(content));
  t.ok(await isWhole(content, first), 'also in the shadow copy before');
  t.equal((await send(memoryVolume('vda', content, []))).readBytes, 0, 'then nothing is asked for any more');
});

t.test(
  'a region that changed meanwhile is sent whole, with what became zeros; the old one stays damaged',
  async (t) => {
    const random = new Random(testSeed(t));
    const content = random.bytes(3 * REGION_BYTES);
    const { store, send, damage, isWhole } = await lab(t);
    await send(memoryVolume('vda', content));
    const first = store.catalog.find('vm', 'latest').name;
    await damage(1);
    const now = Buffer.from(content);
    now.fill(0, REGION_BYTES, REGION_BYTES + 200_000);
    now.fill(7, REGION_BYTES + 100_000, REGION_BYTES + 108_192);
    now.set(random.bytes(4096), 2 * REGION_BYTES);
    const changes = [
      { offset: REGION_BYTES + 4096, length: 8192, isZero: true },
      { offset: 2 * REGION_BYTES, length: 4096 },
    ];
    await send(memoryVolume('vda', now, changes));
    t.ok(await isWhole(now), 'the new one is right');
    t.ok(store.objectStore.hasDamage, 'what the source no longer has cannot heal');
    await t.rejects(isWhole(content, first), { code: 'STORE_DAMAGED' });
    t.equal((await send(memoryVolume('vda', now, []))).readBytes, 0, 'and costs later ones nothing');
  },
);

t.test('who compares by fingerprints sends what is damaged, although it is the same', async (t) => {
  const content = new Random(testSeed(t)).bytes(3 * REGION_BYTES);
  const { store, send, damage, isWhole } = await lab(t);
  await send(memoryVolume('vda', content));
  t.equal((await send(memoryVolume('vda', content))).sentBytes, 0);
  await damage(0);
  const { sentBytes } = await send(memoryVolume('vda', content));
  t.ok(sentBytes > 0 && sentBytes < REGION_BYTES, `${sentBytes} bytes`);
  t.notOk(store.objectStore.hasDamage);
  t.ok(await isWhole(content));
});

t.test('where a node of the base is damaged, all is sent', async (t) => {
  const content = new Random(testSeed(t)).bytes(3 * REGION_BYTES);
  const { store, send, isWhole } = await lab(t);
  await send(memoryVolume('vda', content));
  const [volume] = (await store.record(store.catalog.find('vm', 'latest'))).volumes;
  const tree = new TreeReader(store.reader, volume ?? { root: new Uint8Array(32), sizeBytes: 0 });
  const leaf = (await tree.leafDigest(1)) ?? new Uint8Array();
  await damageObject(store, ObjectType.leaf, leaf);
  await store.reader.reportDamage(ObjectType.leaf, leaf, 'for a test');
  const { readBytes } = await send(memoryVolume('vda', content, []));
  t.equal(readBytes, content.length);
  t.ok(await isWhole(content));
  t.notOk(store.objectStore.hasDamage);
});

t.test('an agent that does not send what it is asked for makes no shadow copy', async (t) => {
  const content = new Random(testSeed(t)).bytes(2 * REGION_BYTES);
  const { store, server, send, damage } = await lab(t);
  await send(memoryVolume('vda', content));
  const base = store.catalog.find('vm', 'latest').name;
  await damage(1);
  const agent = rawConnection(server, 'host1');
  const volume = { name: 'vda', path: '/vda', format: 'raw', sizeBytes: content.length, rest: 'base' } as const;
  const say = (frame: Parameters<typeof encodeFrame>[0]): void => {
    agent.say(...encodeFrame(frame));
  };
  say({ t: 'begin', machine: 'vm', checkpoint: 'c', base, volumes: [volume] });
  t.match(await agent.hear('begun'), { rest: ['base'], reread: [[1]] });
  const end = { ageMs: 0, consistency: 'crash', tracker: 'scan', pauseMs: 0, notes: [], config: [] } as const;
  say({ t: 'end', ...end });
  t.match(await agent.hear('error'), {
    error: { code: 'BAD_ARGUMENT', message: 'region 1 of vda was asked for and did not come' },
  });
  t.equal(store.catalog.find('vm', 'latest').name, base);
});
