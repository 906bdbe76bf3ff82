import t, { type Test } from 'tap';
import { sendShadowCopy, type BaseShadowCopy } from '../../../agent/send/send-shadow-copy.js';
import { changesBetween } from '../../../src/backup/change-count.js';
import { toHex } from '../../../src/codec/digest.js';
import { BLOCK_BYTES, REGION_BYTES } from '../../../src/codec/formats.js';
import { UmbraError } from '../../../src/common/errors.js';
import { encodeFrame } from '../../../src/protocol/frames.js';
import type { BeginFrame } from '../../../src/protocol/ingest.js';
import type { ByteRange } from '../../../src/protocol/api.js';
import type { ShadowCopyRecord } from '../../../src/store/records.js';
import type { Store } from '../../../src/store/store.js';
import { ingestServer, memoryCheckpoint, memoryVolume, rawConnection, type IngestServer } from '../../kit/ingest.js';
import { ManualClock } from '../../kit/manual-clock.js';
import { Random, testSeed } from '../../kit/random.js';
import { openTestStore } from '../../kit/test-store.js';

const REGIONS = 12;
const HOUR_MS = 3_600_000;

interface Lab {
  readonly clock: ManualClock;
  readonly store: Store;
  readonly server: IngestServer;
  readonly content: Buffer;
  readonly random: Random;
  /** Sends what `changes` says, or all of it. */
  readonly send: (changes?: readonly ByteRange[]) => Promise<ShadowCopyRecord>;
  /** The same, as the machine's replica. */
  readonly replicate: Lab['send'];
}

/** Of 48 MiB that compress, all different. */
function documents(): Buffer {
  const content = Buffer.alloc(REGIONS * REGION_BYTES);
  for (let at = 0; at < content.length; at += BLOCK_BYTES)
    content.fill(`block ${at} of a file; `, at, at + BLOCK_BYTES);
  return content;
}

/** A machine of which seven shadow copies are made, with little that changed. */
async function lab(t: Test): Promise<Lab> {
  const random = new Random(testSeed(t));
  const clock = new ManualClock();
  const store = await openTestStore(undefined, undefined, {
    clock,
    boot: () => ({ id: 'b', uptimeMs: clock.monotonic() }),
  });
  const server = ingestServer(store, clock);
  t.teardown(() => server.pool.close());
  const content = documents();
  let base: BaseShadowCopy | undefined;
  const send: Lab['send'] = async (changes) => {
    clock.advance(4 * HOUR_MS);
    await sendShadowCopy({
      machine: 'vm',
      tracker: 'qemu-bitmap',
      checkpoint: memoryCheckpoint('c1', [memoryVolume('vda', content, changes)]),
      base: changes && base,
      connect: server.connect('hv1'),
      clock,
      signal: new AbortController().signal,
    });
    const record = await store.record(store.catalog.find('vm', 'replica'));
    const volumes = record.volumes.map(({ name, sizeBytes, root }) => ({ name, sizeBytes, root: toHex(root) }));
    base = { shadowCopy: record.name, volumes };
    return record;
  };
  t.equal((await send()).change, undefined, 'the first one changes nothing');
  for (let index = 0; index < 6; index += 1) {
    content.write(`version ${index}`, index * REGION_BYTES);
    await send([{ offset: index * REGION_BYTES, length: BLOCK_BYTES }]);
  }
  const replicate: Lab['send'] = async (changes) => {
    server.kinds.set('vm', 'replicate');
    try {
      return await send(changes);
    } finally {
      server.kinds.delete('vm');
    }
  };
  return { clock, store, server, content, random, send, replicate };
}

t.test('data that is encrypted raises an alarm; the server itself counts', { timeout: 240_000 }, async (t) => {
  const { store, server, content, random, send } = await lab(t);
  t.same(store.changes.holds(), []);
  const again = await send();
  t.match(
    again.change,
    { volumes: [{ changedBytes: 0, comparedBytes: content.length }] },
    'a tracker that is made anew sends all',
  );
  t.equal(again.change?.sudden, undefined);

  const grown = Buffer.concat([content, random.bytes(9 * REGION_BYTES)]);
  const volumes = [memoryVolume('vda', grown), memoryVolume('vdb', grown.subarray(content.length))];
  await sendShadowCopy({
    machine: 'vm',
    tracker: 'scan',
    checkpoint: memoryCheckpoint('c2', volumes),
    base: undefined,
    connect: server.connect('hv1'),
    clock: new ManualClock(),
    signal: new AbortController().signal,
  });
  const larger = await store.record(store.catalog.find('vm', 'latest'));
  t.match(larger.change?.volumes, [{ name: 'vda', changedBytes: 0, comparedBytes: content.length }]);
  t.equal(larger.change?.volumes.length, 1, 'a disk that grows, or is added, is no rise');
  t.equal(larger.change?.sudden, undefined);

  const length = 10 * REGION_BYTES;
  random.bytes(length).copy(content, REGION_BYTES);
  const { change, name } = await send([{ offset: REGION_BYTES, length }]);
  t.match(change?.sudden, { kind: 'changed', volume: 'vda' });
  const [volume] = change?.volumes ?? [];
  t.ok((volume?.changedBytes ?? 0) >= length && (volume?.changedBytes ?? 0) < length + REGION_BYTES);
  t.ok((volume?.incompressibleBytes ?? 0) > length * 0.9, 'what is encrypted does not compress');
  t.ok((volume?.storedBytes ?? 0) > length * 0.9);
  t.match(store.changes.holds(), [{ machine: 'vm', name }]);
});

t.test(
  'an agent cannot hide it: not by sending all anew, nor by sending it before and giving that up',
  { timeout: 240_000 },
  async (t) => {
    const { server, content, random, send } = await lab(t);
    random.bytes(10 * REGION_BYTES).copy(content);
    const volumes = [{ name: 'vda', path: '/vda', format: 'raw', sizeBytes: content.length, rest: 'holes' }] as const;
    const begin: BeginFrame = { t: 'begin', machine: 'vm', checkpoint: 'c1', volumes };
    const connection = rawConnection(server, 'hv1');
    connection.say(...encodeFrame(begin));
    await connection.hear('begun');
    for (let region = 0; region < 10; region += 1) {
      const body = content.subarray(region * REGION_BYTES, (region + 1) * REGION_BYTES);
      const frame = { t: 'blocks', volume: 0, region, data: [0, REGION_BYTES / BLOCK_BYTES], zeros: [] } as const;
      connection.say(...encodeFrame(frame, body));
      await connection.hear('settled');
    }
    await server.uploads.giveUp('vm');
    const { change } = await send();
    t.match(change?.sudden, { kind: 'changed' });
    t.ok((change?.volumes[0]?.incompressibleBytes ?? 0) > 9 * REGION_BYTES, 'though the store had it');
  },
);

t.test('what replications have changed counts with the next shadow copy', { timeout: 240_000 }, async (t) => {
  const { store, content, random, send, replicate } = await lab(t);
  // In more than one replication, each less than would be too much.
  for (const first of [1, 6]) {
    random.bytes(5 * REGION_BYTES).copy(content, first * REGION_BYTES);
    const replica = await replicate([{ offset: first * REGION_BYTES, length: 5 * REGION_BYTES }]);
    t.equal(replica.isReplica, true);
    t.equal(replica.change, undefined, 'it is not judged');
  }
  t.same(store.changes.holds(), []);
  random.bytes(REGION_BYTES).copy(content, REGION_BYTES);
  const { change, name } = await send([{ offset: REGION_BYTES, length: REGION_BYTES }]);
  t.match(change?.sudden, { kind: 'changed', volume: 'vda' }, 'though the agent sent one region');
  const [volume] = change?.volumes ?? [];
  const changed = volume?.changedBytes ?? 0;
  t.ok(changed >= 10 * REGION_BYTES && changed < 11.5 * REGION_BYTES, 'what came twice counts once');
  t.match(store.changes.holds(), [{ machine: 'vm', name }]);
  t.equal((await send([])).change?.volumes[0]?.changedBytes, 0);
});

t.test('a shadow copy that is made of a replica is judged', { timeout: 240_000 }, async (t) => {
  const { clock, store, content, random, replicate } = await lab(t);
  random.bytes(10 * REGION_BYTES).copy(content, REGION_BYTES);
  await replicate([{ offset: REGION_BYTES, length: 10 * REGION_BYTES }]);
  const count = changesBetween(store.reader);
  const [first, second] = await Promise.all([store.keepReplica('vm', count), store.keepReplica('vm', count)]);
  t.match(first.record.change?.sudden, { kind: 'changed', volume: 'vda' });
  t.ok((first.record.change?.volumes[0]?.incompressibleBytes ?? 0) > 9 * REGION_BYTES);
  t.match(second, { isNew: false, record: { name: first.record.name } });
  t.match(store.changes.holds(), [{ machine: 'vm', name: first.record.name }]);

  content.write('a version', 0);
  await replicate([{ offset: 0, length: BLOCK_BYTES }]);
  const damaged = (): Promise<never> => Promise.reject(new UmbraError('STORE_DAMAGED', 'a node is damaged'));
  const { record } = await store.keepReplica('vm', damaged);
  t.equal(record.change, undefined, 'damage keeps it from being known, not from being made');
  await replicate([{ offset: 0, length: BLOCK_BYTES }]);
  const failing = (): Promise<never> => Promise.reject(new UmbraError('STORE_FAILED', 'the disk fails'));
  await t.rejects(store.keepReplica('vm', failing), { code: 'STORE_FAILED' });
  t.ok(store.catalog.replica('vm'));
  const began = clock.monotonic();
  const late = await store.keepReplica('vm', async (...sides) => {
    // Another replication ends while it is counted.
    if (clock.monotonic() === began) await replicate([{ offset: 0, length: BLOCK_BYTES }]);
    return await count(...sides);
  });
  t.equal(late.isNew, true);
  t.equal(store.catalog.replica('vm'), undefined, 'the last one is kept');
});
