import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { KeptPools } from '../../../agent/send/kept-pools.js';
import { sendShadowCopy, type BaseShadowCopy, type Sent } from '../../../agent/send/send-shadow-copy.js';
import type { ChangedRange, CheckpointVolume } from '../../../agent/trackers/tracker.js';
import { toHex } from '../../../src/codec/digest.js';
import { BLOCK_BYTES, REGION_BYTES } from '../../../src/codec/formats.js';
import { systemClock } from '../../../src/common/clock.js';
import { newFormatRecord } from '../../../src/store/format-record.js';
import type { Store } from '../../../src/store/store.js';
import { ingestServer, memoryCheckpoint, memoryVolume, type Cut, type IngestServer } from '../../kit/ingest.js';
import { Random, testSeed } from '../../kit/random.js';
import { QUIET } from '../../kit/store-model.js';
import { temporaryDirectory } from '../../kit/temporary.js';
import { ingest, memoryDatabases, openTestStore, readBack, TEST_FORMAT } from '../../kit/test-store.js';

interface Lab {
  readonly store: Store;
  readonly server: IngestServer;
  readonly directory: string;
  readonly send: (volumes: readonly CheckpointVolume[], options?: SendTweaks) => Promise<Sent>;
}

interface SendTweaks {
  readonly host?: string;
  readonly machine?: string;
  readonly cut?: Cut;
  readonly noBase?: boolean;
}

async function lab(t: Test, format = TEST_FORMAT): Promise<Lab> {
  const store = await openTestStore(memoryDatabases(), undefined, { format });
  const server = ingestServer(store);
  t.teardown(() => server.pool.close());
  const directory = temporaryDirectory(t);
  let checkpoints = 0;
  const pools = new KeptPools(systemClock);
  const send: Lab['send'] = async (volumes, { host = 'host1', machine = 'vm', cut, noBase = false } = {}) => {
    const base = noBase ? undefined : await baseOf(store, machine);
    return await sendShadowCopy({
      machine,
      tracker: 'scan',
      checkpoint: memoryCheckpoint(`c${++checkpoints}`, volumes),
      base,
      connect: server.connect(host, cut),
      fingerprintFile: (volume) => join(directory, host, machine, volume),
      pools,
      clock: systemClock,
      signal: new AbortController().signal,
    });
  };
  return { store, server, directory, send };
}

async function baseOf(store: Store, machine: string): Promise<BaseShadowCopy | undefined> {
  const listing = store.catalog.upToDate(machine);
  if (listing === undefined) return undefined;
  const { volumes } = await store.record(listing);
  return {
    shadowCopy: listing.name,
    volumes: volumes.map(({ name, sizeBytes, root }) => ({ name, sizeBytes, root: toHex(root) })),
  };
}

/** The newest shadow copy is what the volume is, and its tree is the one that a whole reading makes. */
async function assertExact(t: Test, store: Store, content: Buffer, machine = 'vm', version = 'latest'): Promise<void> {
  const listing = store.catalog.find(machine, version);
  const read = await readBack(store, listing);
  t.ok(read.subarray(0, content.length).equals(content), 'the bytes are right');
  const session = store.openSession();
  const whole = await ingest(session, content, undefined, store.format.cutting);
  session.end();
  const [volume] = (await store.record(listing)).volumes;
  t.equal(toHex(volume?.root ?? new Uint8Array()), toHex(whole.root), 'the tree is right');
  t.equal(volume?.dataBytes, whole.dataBytes, 'its data is counted right');
}

function fillRandom(random: Random, target: Buffer): void {
  const block = random.bytes(BLOCK_BYTES);
  for (let at = 0; at < target.length; at += BLOCK_BYTES) {
    block.writeUInt32LE(random.below(2 ** 32));
    block.copy(target, at);
  }
}

function writeRandom(content: Buffer, random: Random, changes: ChangedRange[]): void {
  const block = random.below(Math.ceil(content.length / BLOCK_BYTES));
  const offset = block * BLOCK_BYTES + (random.chance(0.3) ? 512 : 0);
  const length = Math.min(content.length - offset, random.chance(0.2) ? 300_000 : 1 + random.below(20_000));
  if (length <= 0) return;
  if (random.chance(0.3)) content.fill(0, offset, offset + length);
  else fillRandom(random, content.subarray(offset, offset + length));
  changes.push({ offset, length });
}

/** In order, not overlapping; now and then what is zeros is said to be. */
function merged(changes: readonly ChangedRange[], content: Buffer): ChangedRange[] {
  const result: ChangedRange[] = [];
  for (const { offset, length } of [...changes].sort((a, b) => a.offset - b.offset)) {
    const last = result.at(-1);
    const end = offset + length;
    if (last === undefined || offset > last.offset + last.length) result.push({ offset, length });
    else result.splice(-1, 1, { ...last, length: Math.max(last.offset + last.length, end) - last.offset });
  }
  return result.map((range) => {
    const isZero = content.subarray(range.offset, range.offset + range.length).every((byte) => byte === 0);
    return isZero ? { ...range, isZero } : range;
  });
}

for (const version of [1, 2] as const) {
  t.test(`changes upon changes, each shadow copy exact, in a store of format ${version}`, async (t) => {
    const random = new Random(testSeed(t));
    const { store, send, server } = await lab(t, {
      ...TEST_FORMAT,
      ...newFormatRecord({ seed: '0123456789abcdef', format: version }, 0),
    });
    let content = Buffer.alloc(5 * REGION_BYTES + 1536);
    fillRandom(random, content.subarray(100_000, 6_000_000));
    await send([memoryVolume('vda', content)]);
    await assertExact(t, store, content);
    for (let round = 0; round < 8; round++) {
      const changes: ChangedRange[] = [];
      if (round === 4) {
        const larger = Buffer.alloc(content.length + 2 * REGION_BYTES);
        content.copy(larger);
        content = larger;
      }
      for (let count = random.below(12); count > 0; count--) writeRandom(content, random, changes);
      const sent = await send([memoryVolume('vda', content, merged(changes, content))]);
      await assertExact(t, store, content);
      t.ok(sent.sentBytes < content.length / 2, `${sent.sentBytes} bytes were sent`);
    }
    t.strictSame(
      server.ends.filter((end) => end !== undefined),
      [],
    );
  });
}

t.test('a replica goes the same way, is replaced, and is the base of what comes next', async (t) => {
  const random = new Random(testSeed(t));
  const { store, send, server } = await lab(t);
  const content = Buffer.alloc(3 * REGION_BYTES);
  fillRandom(random, content.subarray(0, 5_000_000));
  server.kinds.set('vm', 'replicate');
  await send([memoryVolume('vda', content)]);
  for (let round = 0; round < 3; round += 1) {
    const changes: ChangedRange[] = [];
    for (let count = 5; count > 0; count -= 1) writeRandom(content, random, changes);
    let cuts = 0;
    const cut: Cut = () => (cuts++ === 0 ? 50_000 : undefined);
    const { shadowCopy } = await send([memoryVolume('vda', content, merged(changes, content))], { cut });
    t.match(store.catalog.replicas(), [{ machine: 'vm', name: shadowCopy }]);
    await assertExact(t, store, content, 'vm', 'replica');
    await store.collect(QUIET);
  }
  t.same([...store.catalog.all()], []);
  server.kinds.delete('vm');
  const sent = await send([memoryVolume('vda', content, [])]);
  t.equal(sent.sentBytes, 0);
  await assertExact(t, store, content);
  t.same(store.catalog.replicas(), []);
});

t.test('who does not know what changed compares, and sends only what is new', async (t) => {
  const random = new Random(testSeed(t));
  const { store, send, directory } = await lab(t);
  const content = Buffer.alloc(4 * REGION_BYTES);
  fillRandom(random, content.subarray(0, 3 * REGION_BYTES));
  const first = await send([memoryVolume('vda', content)]);
  t.equal(first.sentBytes, 3 * REGION_BYTES);

  fillRandom(random, content.subarray(REGION_BYTES, REGION_BYTES + 8192));
  const file = join(directory, 'host1', 'vm', 'vda');
  const second = await send([memoryVolume('vda', content)]);
  await assertExact(t, store, content);
  t.ok(second.sentBytes > 0 && second.sentBytes < REGION_BYTES / 4, `${second.sentBytes} bytes were sent`);

  content.fill(0, 2 * REGION_BYTES, 3 * REGION_BYTES);
  t.equal((await send([memoryVolume('vda', content)])).sentBytes, 0, 'a hole is not sent');
  await assertExact(t, store, content);

  for (const damage of [(bytes: Buffer) => bytes.subarray(0, 5000), flipped, () => Buffer.alloc(0)]) {
    writeFileSync(file, damage(readFileSync(file)));
    t.equal((await send([memoryVolume('vda', content)])).sentBytes, 0, 'the server knows what it has of this machine');
    await assertExact(t, store, content);
  }
  t.notOk(existsSync(`${file}.new`));
});

function flipped(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  copy[4100] = (copy[4100] ?? 0) ^ 1;
  return copy;
}

t.test('a volume that became smaller is sent as it is now', async (t) => {
  const random = new Random(testSeed(t));
  const { store, send } = await lab(t);
  const content = Buffer.alloc(3 * REGION_BYTES);
  fillRandom(random, content);
  await send([memoryVolume('vda', content)]);
  const smaller = Buffer.from(content.subarray(0, REGION_BYTES + 10_000));
  await send([memoryVolume('vda', smaller, [])]);
  await assertExact(t, store, smaller);
});

t.test('a connection that is cut again and again goes on where it was', async (t) => {
  const random = new Random(testSeed(t));
  const { store, send, server } = await lab(t);
  const content = Buffer.alloc(7 * REGION_BYTES);
  fillRandom(random, content.subarray(0, 6 * REGION_BYTES));
  let connections = 0;
  const cut = (): number | undefined => (++connections > 4 ? undefined : random.below(2 * REGION_BYTES));
  await send([memoryVolume('vda', content)], { cut });
  await assertExact(t, store, content);
  t.equal(connections, 5);

  const changes: ChangedRange[] = [];
  for (let count = 0; count < 40; count++) writeRandom(content, random, changes);
  connections = 0;
  await send([memoryVolume('vda', content, merged(changes, content))], {
    cut: () => (++connections > 3 ? undefined : 300_000),
  });
  await assertExact(t, store, content);
  t.equal(store.catalog.shadowCopies('vm').length, 2, 'each is there once');
  t.equal(server.ends.filter((end) => end === undefined).length, 2);
});

t.test('a host is told of no chunk that it has not sent itself', async (t) => {
  const random = new Random(testSeed(t));
  const { store, send } = await lab(t);
  const content = Buffer.alloc(2 * REGION_BYTES);
  fillRandom(random, content);
  const mine = await send([memoryVolume('vda', content)], { host: 'host1', machine: 'a' });
  const theirs = await send([memoryVolume('vda', content)], { host: 'host2', machine: 'b' });
  t.equal(theirs.sentBytes, mine.sentBytes, 'another host sends everything, though the store has it');
  t.strictSame(
    Object.keys(theirs).sort(),
    ['readBytes', 'sentBytes', 'shadowCopy'],
    'and is not told that it need not have',
  );
  const again = await send([memoryVolume('vda', content)], { host: 'host1', machine: 'c' });
  t.equal(again.sentBytes, 0, 'the host itself need not send it twice');
  await assertExact(t, store, content, 'b');
  await assertExact(t, store, content, 'c');
});

t.test('a machine of another host is refused', async (t) => {
  const { send, store } = await lab(t);
  await t.rejects(send([memoryVolume('vda', Buffer.alloc(4096, 1))], { machine: 'forbidden' }), { code: 'FORBIDDEN' });
  t.strictSame(store.catalog.machines(), []);
});
