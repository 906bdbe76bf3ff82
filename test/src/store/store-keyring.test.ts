import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';

import { isUmbraError } from '../../../src/common/errors.js';
import { systemClock } from '../../../src/common/clock.js';
import type { Secret } from '../../../src/keys/secret.js';
import { objectKey } from '../../../src/store/keys.js';
import { StoreDirectory } from '../../../src/store/store-directory.js';
import { Random, testSeed } from '../../kit/random.js';
import { CHEAP, keyFile, numberedKey, passphrase } from '../../kit/sealed.js';
import { assertContents, keyOf } from '../../kit/store-model.js';
import { backUp, randomVolume } from '../../kit/test-store.js';
import { temporaryDirectory } from '../../kit/temporary.js';

function make(t: Test, secret: Secret): Promise<StoreDirectory> {
  const encryption = { cipher: 'aes-256-gcm', secret, cost: CHEAP } as const;
  const directory = path.join(temporaryDirectory(t), 'store');
  return StoreDirectory.open({ directory, clock: systemClock, create: { mustBeNew: true, encryption } });
}

function open(directory: string, secret: Secret): Promise<StoreDirectory> {
  return StoreDirectory.open({ directory, clock: systemClock, ask: () => Promise.resolve(secret) });
}

async function opens(directory: string, secret: Secret): Promise<boolean> {
  try {
    await (await open(directory, secret)).close();
    return true;
  } catch (error) {
    if (isUmbraError(error, 'KEY_WRONG')) return false;
    throw error;
  }
}

t.test('keys are added, changed and removed; no data is written again', async (t) => {
  const held = await make(t, keyFile('a'));
  const { directory, keyring, store } = held;
  const content = randomVolume(new Random(1), 40);
  const models = new Map([[keyOf(await backUp(store, 'm', content)), content]]);
  const next = store.objectStore.log.nextSequence;
  const before = await store.objectStore.objects.get(objectKey(next - 1));
  const [first] = await keyring.list();
  t.match(first, { kind: 'key', isUsed: true });
  const added = await keyring.add({ secret: passphrase('a passphrase'), label: 'safe', cost: CHEAP });
  t.match(added, { kind: 'passphrase', label: 'safe', isUsed: false });
  const changed = await keyring.change({ secret: keyFile('b') });
  t.match(changed, { kind: 'key', isUsed: true });
  t.match(await keyring.list(), [{ id: added.id }, { id: changed.id, isUsed: true }]);
  t.equal(store.objectStore.log.nextSequence, next);
  t.same(await store.objectStore.objects.get(objectKey(next - 1)), before);
  await t.rejects(keyring.change({ secret: keyFile('c') }, 'ffff'), { code: 'NOT_FOUND' });
  await t.rejects(keyring.add({ secret: passphrase('short') }), { code: 'BAD_ARGUMENT' });
  await t.rejects(keyring.remove('ffff'), { code: 'NOT_FOUND' });
  t.equal((await keyring.list()).length, 2, 'a change that is refused changes nothing');
  await held.close();
  t.notOk(await opens(directory, keyFile('a')));
  t.ok(await opens(directory, passphrase('a passphrase')));
  const again = await open(directory, keyFile('b'));
  await assertContents(t, again.store, models);
  await again.keyring.remove(added.id);
  await t.rejects(again.keyring.remove(changed.id), { code: 'BAD_ARGUMENT', hint: /key add/ });
  await again.close();
  t.notOk(await opens(directory, passphrase('a passphrase')));
});

t.test('changes at once come one after the other', async (t) => {
  const held = await make(t, keyFile('a'));
  const added = await Promise.all([1, 2, 3].map((number) => held.keyring.add({ secret: numberedKey(number) })));
  t.same(
    (await held.keyring.list()).slice(1).map(({ id }) => id),
    added.map(({ id }) => id),
  );
  await held.close();
  for (const number of [1, 2, 3]) t.ok(await opens(held.directory, numberedKey(number)));
});

t.test('a fault at each write leaves the old keys, or the new ones, and is said', async (t) => {
  const held = await make(t, keyFile('a'));
  const { directory, keyring } = held;
  const file = path.join(directory, 'keys');
  const copy = path.join(directory, 'objects', 'umbra-keys');
  const old = readFileSync(file, 'utf8');
  // Where the new file is to be written, something is in the way.
  mkdirSync(`${file}.new`);
  await t.rejects(keyring.change({ secret: keyFile('b') }), { code: 'STORE_FAILED', hint: /keys from before hold/ });
  rmdirSync(`${file}.new`);
  t.equal(readFileSync(file, 'utf8'), old);
  t.ok(
    (await keyring.list()).every(({ isUsed }) => isUsed),
    'the key is the one from before',
  );
  mkdirSync(`${copy}.new`);
  await t.rejects(keyring.change({ secret: keyFile('b') }), { code: 'STORE_FAILED' });
  rmdirSync(`${copy}.new`);
  t.equal(readFileSync(copy, 'utf8'), old);
  await held.close();
  t.ok(await opens(directory, keyFile('b')), 'once the first file is written the new one holds');
  t.notOk(await opens(directory, keyFile('a')));
  t.equal(readFileSync(copy, 'utf8'), readFileSync(file, 'utf8'), 'and its copy is made by who opens the store');
  mkdirSync(`${copy}.new`);
  writeFileSync(copy, old);
  await t.rejects(open(directory, keyFile('b')), { code: 'STORE_FAILED', message: /keys of the store/ });
  rmdirSync(`${copy}.new`);
});

t.test('every state that a power cut may leave', async (t) => {
  const held = await make(t, keyFile('a'));
  const { directory } = held;
  const file = path.join(directory, 'keys');
  const copy = path.join(directory, 'objects', 'umbra-keys');
  const old = readFileSync(file, 'utf8');
  await held.keyring.change({ secret: keyFile('b') });
  const next = readFileSync(file, 'utf8');
  await held.close();
  for (const [files, holds] of [
    [{ [file]: old, [copy]: old, [`${file}.new`]: next.slice(0, 50) }, 'a'],
    [{ [file]: old, [copy]: old, [`${file}.new`]: next }, 'a'],
    [{ [file]: next, [copy]: old }, 'b'],
    [{ [file]: next, [copy]: old, [`${copy}.new`]: '' }, 'b'],
    [{ [file]: next, [copy]: next }, 'b'],
  ] as const) {
    for (const [name, text] of Object.entries(files)) writeFileSync(name, text);
    t.ok(await opens(directory, keyFile(holds)), holds);
    t.notOk(await opens(directory, keyFile(holds === 'a' ? 'b' : 'a')));
  }
});

t.test('killed at any moment: the key that held opens it, or the one that was to', async (t) => {
  const random = new Random(testSeed(t));
  const held = await make(t, numberedKey(0));
  const { directory } = held;
  await held.close();
  let number = 0;
  for (let round = 0; round < 3; round++) {
    const program = fileURLToPath(new URL('../../kit/key-changer.js', import.meta.url));
    const child = spawn(process.execPath, [program, directory, String(number)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    await once(child.stdout, 'data');
    await sleep(random.below(60));
    child.kill('SIGKILL');
    await once(child, 'close');
    const last = Number(/(\d+)\n$/.exec(said)?.[1] ?? NaN);
    t.ok(last > number, `changed up to ${last}`);
    number = (await opens(directory, numberedKey(last))) ? last : last + 1;
    t.ok(await opens(directory, numberedKey(number)));
    t.ok(existsSync(path.join(directory, 'objects', 'umbra-keys')));
  }
});
