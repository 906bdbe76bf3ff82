import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';

import type { CipherName } from '../../../src/codec/aead.js';
import { ObjectType } from '../../../src/codec/formats.js';
import { FrameSeal } from '../../../src/codec/frame-seal.js';
import { readFrameHeader } from '../../../src/codec/frame.js';
import { toHex } from '../../../src/codec/digest.js';
import { systemClock } from '../../../src/common/clock.js';
import { makeSecret, type Secret } from '../../../src/keys/secret.js';
import { objectKey } from '../../../src/store/keys.js';
import { StoreDirectory } from '../../../src/store/store-directory.js';
import type { Store } from '../../../src/store/store.js';
import { Verification } from '../../../src/store/verify.js';
import { decodeLeaf } from '../../../src/tree/node.js';
import { TreeReader } from '../../../src/tree/tree-reader.js';
import { WorkerPool } from '../../../src/workers/pool.js';
import { Random } from '../../kit/random.js';
import { CHEAP, keyFile, passphrase } from '../../kit/sealed.js';
import { damageValue } from '../../kit/store-damage.js';
import { assertContents, keyOf, QUIET } from '../../kit/store-model.js';
import { backUp, makeEmpty, randomVolume, readBack } from '../../kit/test-store.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const KEY = keyFile('k');
const WORDS = Buffer.from('The quick brown fox of the payroll department. ');

function make(
  t: Test,
  cipher: CipherName = 'aes-256-gcm',
  secret: Secret = KEY,
  seed?: string,
): Promise<StoreDirectory> {
  const directory = path.join(temporaryDirectory(t), 'store');
  const encryption = { cipher, secret, cost: CHEAP };
  const create = { mustBeNew: true, encryption, ...(seed === undefined ? {} : { seed }) };
  return StoreDirectory.open({ directory, clock: systemClock, create });
}

function open(directory: string, secret: Secret | undefined = KEY): Promise<StoreDirectory> {
  return StoreDirectory.open({ directory, clock: systemClock, ask: () => Promise.resolve(secret) });
}

/** All bytes of all files of a store. */
function bytesOf(directory: string): Buffer {
  return Buffer.concat(
    readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(path.join(entry.parentPath, entry.name))),
  );
}

async function digestsIn(store: Store): Promise<{ readonly leaves: Uint8Array[]; readonly chunks: Uint8Array[] }> {
  const found = { leaves: [] as Uint8Array[], chunks: [] as Uint8Array[] };
  for (const listing of store.catalog.all()) {
    for (const volume of (await store.record(listing)).volumes) {
      for await (const { leaf } of new TreeReader(store.reader, volume).leaves()) {
        found.leaves.push(leaf);
        found.chunks.push(...decodeLeaf(await store.reader.read(ObjectType.leaf, leaf)).map(({ digest }) => digest));
      }
    }
  }
  return found;
}

for (const cipher of ['aes-256-gcm', 'chacha20-poly1305'] as const) {
  t.test(
    `${cipher}: shadow copies come back, the same content is stored once, and the disk tells nothing of it`,
    async (t) => {
      const held = await make(t, cipher);
      const { store, directory } = held;
      const content = Buffer.concat([Buffer.alloc(60_000, WORDS), randomVolume(new Random(1), 100)]);
      const models = new Map([[keyOf(await backUp(store, 'payroll-server', content)), content]]);
      const before = store.objectStore.log.nextSequence;
      models.set(keyOf(await backUp(store, 'payroll-copy', content)), content);
      t.equal(store.objectStore.log.nextSequence, before + 1, 'only the record is new');
      await store.updateSettings((settings) => ({
        ...settings,
        shares: [{ name: 'wages', machine: 'payroll-server', path: 'vda1/wages' }],
      }));
      await store.jobs.write({
        put: [{ id: 1, fields: { log: 'WAGES-JOB-LOG' } }],
        plan: [{ machine: 'planned-machine', sinceMs: 5 }],
      });
      await store.reader.reportDamage(ObjectType.chunk, Buffer.alloc(32, 0xab), 'QUARANTINE-REASON');
      const { leaves, chunks } = await digestsIn(store);
      await held.close();
      const bytes = bytesOf(directory);
      for (const text of [
        'payroll',
        'wages',
        'WAGES',
        'planned-machine',
        'QUARANTINE',
        WORDS.toString('latin1', 0, 20),
        'kkkkkkkk',
      ])
        t.equal(bytes.includes(text), false, text);
      for (const digest of [...leaves, ...chunks, Buffer.alloc(32, 0xab)]) {
        if (bytes.includes(Buffer.from(digest.subarray(0, 16)))) t.fail(`digest ${toHex(digest)}`);
        if (bytes.includes(toHex(digest).slice(0, 16))) t.fail('digest in hex');
      }
      t.match(JSON.parse(readFileSync(path.join(directory, 'format'), 'utf8')), {
        encryption: { cipher },
        keyedNames: 'hmac-sha-256',
        cutting: { seed: null },
      });
      const again = await open(directory);
      await assertContents(t, again.store, models);
      t.equal(again.store.settings.shares[0]?.name, 'wages');
      t.match(await again.store.jobs.all(), [{ fields: { log: 'WAGES-JOB-LOG' } }]);
      t.ok((await again.store.jobs.planned()).has('planned-machine'));
      await again.close();
    },
  );
}

t.test('two stores of the same content, seed and key have nothing in common', async (t) => {
  const names: Set<string>[] = [];
  for (let made = 0; made < 2; made++) {
    const held = await make(t, 'aes-256-gcm', KEY, '0123456789abcdef');
    await backUp(held.store, 'm', Buffer.alloc(50_000, WORDS));
    const { chunks } = await digestsIn(held.store);
    const { seal } = held.store.objectStore;
    names.push(new Set(chunks.map((digest) => seal?.nameOf(ObjectType.chunk, digest).toString('hex') ?? '')));
    t.equal(held.store.format.cutting.seed, 0x0123456789abcdefn, 'it is kept with the keys');
    await held.close();
  }
  t.ok((names[0]?.size ?? 0) > 0);
  t.same(
    [...(names[0] ?? [])].filter((name) => names[1]?.has(name)),
    [],
  );
});

t.test('no key, a wrong key, lost and damaged wrapped keys: each is said, and nothing is changed', async (t) => {
  const held = await make(t);
  const { directory } = held;
  const content = randomVolume(new Random(2), 40);
  const models = new Map([[keyOf(await backUp(held.store, 'm', content)), content]]);
  await held.close();
  await t.rejects(StoreDirectory.open({ directory, clock: systemClock }), {
    code: 'KEY_MISSING',
    hint: /UMBRA_KEY_FILE/,
  });
  await t.rejects(open(directory, keyFile('other')), { code: 'KEY_WRONG' });
  await t.rejects(open(directory, passphrase('words and words')), { code: 'KEY_WRONG', hint: /one key file/ });
  const [file, copy] = [path.join(directory, 'keys'), path.join(directory, 'objects', 'umbra-keys')];
  const text = readFileSync(file, 'utf8');
  t.equal(readFileSync(copy, 'utf8'), text);
  for (const damage of [
    () => {
      rmSync(file);
    },
    () => {
      rmSync(copy);
    },
    () => {
      writeFileSync(file, text.slice(0, 100));
    },
    () => {
      writeFileSync(copy, text.replace(/"salt": "../, '"salt": "zz'));
    },
    () => {
      writeFileSync(file, Buffer.alloc(100_000, 'x'));
    },
    () => {
      writeFileSync(copy, text.replace('"generation": 1', '"generation": 0'));
    },
  ]) {
    damage();
    const again = await open(directory);
    await assertContents(t, again.store, models);
    await again.close();
    t.equal(readFileSync(file, 'utf8'), text, 'mended');
    t.equal(readFileSync(copy, 'utf8'), text, 'mended');
  }
  const damaged = text.replace(/"wrapped": "../, '"wrapped": "zz');
  writeFileSync(file, damaged);
  writeFileSync(copy, damaged);
  await t.rejects(open(directory), { code: 'KEY_DAMAGED', hint: /from a copy/ });
  t.equal(readFileSync(file, 'utf8'), damaged, 'what is damaged in both is left');
  for (const [left, code, message] of [
    ['not a keyring', 'KEY_DAMAGED', /are damaged/],
    [text.replace(/"store": "./, '"store": "x'), 'KEY_DAMAGED', /another store/],
  ] as const) {
    writeFileSync(file, left);
    writeFileSync(copy, left);
    await t.rejects(open(directory), { code, message });
  }
  rmSync(file);
  rmSync(copy);
  await t.rejects(open(directory), { code: 'KEY_LOST', hint: /from a copy/ });
  writeFileSync(copy, text);
  await (await open(directory)).close();
});

t.test('rebuilding needs the objects and a key: meta, format file and keys are lost', async (t) => {
  const held = await make(t, 'chacha20-poly1305', passphrase('correct horse'));
  const { directory } = held;
  const content = randomVolume(new Random(3), 60);
  const models = new Map([[keyOf(await backUp(held.store, 'a', content)), content]]);
  await makeEmpty(held.store, 'gone', 5);
  await held.store.forget(held.store.catalog.find('gone', 'latest'));
  const { format } = held.store;
  await held.close();
  for (const name of ['meta', 'format', 'keys']) rmSync(path.join(directory, name), { recursive: true });
  const lost = await open(directory, passphrase('correct horse'));
  t.throws(() => lost.store, { code: 'STORE_DAMAGED', hint: /umbra rebuild/ });
  t.throws(() => lost.keyring, { code: 'STORE_DAMAGED' });
  t.match(await lost.rebuild(QUIET), { damagedObjects: 0, shadowCopies: 1, stayedDeleted: 1 });
  t.same(lost.store.format, format);
  await assertContents(t, lost.store, models);
  // The key that it knows is not asked for again.
  t.match(await lost.rebuild(QUIET), { shadowCopies: 1 });
  await lost.close();
  t.ok(existsSync(path.join(directory, 'keys')));
  rmSync(path.join(directory, 'format'));
  const wrong = await open(directory, passphrase('correct house'));
  await t.rejects(wrong.rebuild(QUIET), { code: 'KEY_WRONG' });
  await wrong.close();
});

t.test('objects that were changed, swapped, or put in by others are errors that name them', async (t) => {
  const held = await make(t);
  const { store } = held;
  const content = Buffer.concat([
    Buffer.alloc(40_000, 'a'),
    Buffer.alloc(40_000, 'b'),
    randomVolume(new Random(4), 50),
  ]);
  await backUp(store, 'm', content);
  const { objects, log } = store.objectStore;
  const { chunks } = await digestsIn(store);
  const stored: { key: Buffer; value: Buffer }[] = [];
  for (let sequence = 0; sequence < log.nextSequence; sequence++) {
    const value = await objects.get(objectKey(sequence));
    if (value?.[13] === ObjectType.chunk) stored.push({ key: objectKey(sequence), value: Buffer.from(value) });
  }
  t.ok(stored.length > 3);
  const seal = new FrameSeal(store.keys ?? { cipher: 'aes-256-gcm', data: Buffer.of(), names: Buffer.of() });
  for (const [index, [change, reason]] of (
    [
      [(value: Buffer) => value.fill(value[90] === 0 ? 1 : 0, 90, 91), /checksum/],
      [() => stored[3]?.value, /another object stands in its place/],
      [(value: Buffer) => Buffer.from(seal.open(value)), /too short|checksum|not encrypted/],
    ] as const
  ).entries()) {
    const { key, value } = stored[index] ?? { key: Buffer.of(), value: Buffer.of() };
    const digest = Uint8Array.from(readFrameHeader(seal.open(value)).digest);
    await damageValue(objects, key, change);
    const message = new RegExp(`${toHex(digest)}.*(${reason.source})`);
    await t.rejects(store.reader.read(ObjectType.chunk, digest), { code: 'STORE_DAMAGED', message });
    await backUp(store, 'm', content);
    t.ok((await store.reader.read(ObjectType.chunk, digest)).length > 0, 'healed');
  }
  const pool = new WorkerPool({ ...store.format, keys: store.keys }, 1);
  const verify = async (): Promise<unknown> =>
    new Verification({ store, pool, listings: [...store.catalog.all()], everything: true, ...QUIET }).run();
  await store.collect(QUIET);
  t.match(await verify(), { damagedObjects: [], damaged: [] });
  const last = chunks.at(-1) ?? Buffer.of();
  const [result] = await store.reader.readFrames(ObjectType.chunk, [last]);
  const frame = result !== undefined && 'frame' in result ? Buffer.from(result.frame) : Buffer.of();
  for await (const [key, value] of objects.entries())
    if (frame.equals(value)) await damageValue(objects, Buffer.from(key), (old) => old.subarray(0, -1));
  t.match(await verify(), {
    damagedObjects: [{ object: toHex(last), kind: 'chunk', reason: /checksum/ }],
    damaged: { length: 4 },
  });
  await pool.close();
  await held.close();
});

t.test('a copy of a store that goes on by itself uses no key twice', async (t) => {
  const held = await make(t);
  const { directory } = held;
  await held.close();
  const copy = `${directory}-copy`;
  const { cpSync } = await import('node:fs');
  cpSync(directory, copy, { recursive: true });
  const salts: string[] = [];
  for (const [index, place] of [directory, copy].entries()) {
    const opened = await open(place);
    await backUp(opened.store, 'm', Buffer.alloc(50_000, `content ${index}`));
    for await (const [, value] of opened.store.objectStore.objects.entries())
      salts.push(Buffer.from(value).toString('hex', 48, 72));
    await opened.close();
  }
  // Only the settings were there before.
  t.equal(new Set(salts).size, salts.length - 1);
});

t.test('a store that is not encrypted has no keys, and making one that broke off begins anew', async (t) => {
  const directory = path.join(temporaryDirectory(t), 'store');
  const plain = await StoreDirectory.open({ directory, clock: systemClock, create: { mustBeNew: true } });
  t.throws(() => plain.keyring, { code: 'NOT_ENCRYPTED', hint: /init --encrypt/ });
  await plain.close();
  const held = await make(t);
  await held.close();
  const format = path.join(held.directory, 'format');
  for (const name of ['meta', 'objects']) rmSync(path.join(held.directory, name), { recursive: true });
  renameSync(format, `${format}.new`);
  const encryption = { cipher: 'aes-256-gcm', secret: passphrase('another one'), cost: CHEAP } as const;
  const create = { mustBeNew: true, encryption };
  const again = await StoreDirectory.open({ directory: held.directory, clock: systemClock, create });
  const content = randomVolume(new Random(5), 30);
  await backUp(again.store, 'm', content);
  t.same(await readBack(again.store, again.store.catalog.find('m', 'latest')), content);
  await again.close();
  const short = { ...encryption, secret: makeSecret('passphrase', Buffer.from('short'), 'it') };
  await t.rejects(
    StoreDirectory.open({
      directory: `${directory}-2`,
      clock: systemClock,
      create: { mustBeNew: true, encryption: short },
    }),
    { code: 'BAD_ARGUMENT' },
  );
});
