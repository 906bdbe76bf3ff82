import { createDecipheriv, hkdfSync } from 'node:crypto';
import t from 'tap';

import {
  addSlot,
  assertSlot,
  encodeKeyring,
  MAX_SLOTS,
  openKeyring,
  parseKeyring,
  removeSlot,
  type Keyring,
} from '../../../src/keys/keyring.js';
import { makeSecret, type Secret } from '../../../src/keys/secret.js';
import { keysOf, newPayload } from '../../../src/keys/store-keys.js';
import { CHEAP, keyFile, passphrase } from '../../kit/sealed.js';

const payload = newPayload(0x0123456789abcdefn);
const EMPTY: Keyring = { store: 'id', generation: 0, slots: [] };

async function keyring(...secrets: readonly Secret[]): Promise<Keyring> {
  let made = EMPTY;
  for (const secret of secrets) made = (await addSlot(made, payload, { secret, nowMs: 5, cost: CHEAP })).keyring;
  return made;
}

/** As it is after it was written and read. */
function read(text: string): Keyring {
  const found = parseKeyring(text);
  if (found === undefined) throw new RangeError('not a keyring');
  return found;
}

t.test('each of its secrets opens it, and no other', async (t) => {
  const ring = read(encodeKeyring(await keyring(keyFile('a'), passphrase('a passphrase'), keyFile('b'))));
  t.equal(ring.generation, 3);
  for (const [index, secret] of [keyFile('a'), passphrase('a passphrase'), keyFile('b')].entries()) {
    const opened = await openKeyring(ring, secret);
    t.same(opened.payload, payload);
    t.equal(opened.slot.id, ring.slots[index]?.id);
  }
  for (const text of ['a'.repeat(40), 'a passphrase\n']) {
    t.same((await openKeyring(ring, makeSecret('command', Buffer.from(text), 'a test'))).payload, payload);
  }
  const hint = /2 key files and one passphrase/;
  await t.rejects(openKeyring(ring, keyFile('c')), { code: 'KEY_WRONG', message: /key file does not open/, hint });
  await t.rejects(openKeyring(ring, passphrase('a passphrasE')), {
    code: 'KEY_WRONG',
    message: /the passphrase/,
    hint,
  });
  await t.rejects(openKeyring(ring, makeSecret('command', Buffer.from('nothing'), 'it')), { message: /key command/ });
  const keys = await keyring(keyFile('a'));
  await t.rejects(openKeyring(keys, passphrase('words, words')), { code: 'KEY_WRONG', message: /takes no passphrase/ });
  const phrases = await keyring(passphrase('words, words'));
  await t.rejects(openKeyring(phrases, keyFile('a')), { message: /takes no key file/, hint: /one passphrase/ });
  await t.rejects(
    openKeyring({ ...keys, store: 'another' }, keyFile('a')),
    { code: 'KEY_WRONG' },
    'bound to its store',
  );
});

t.test('a slot can be opened by hand, as it is written down', async (t) => {
  const { slots } = JSON.parse(encodeKeyring(await keyring(keyFile('a')))) as { slots: Record<string, string>[] };
  const [{ id, createdMs, salt = '', nonce = '', wrapped = '' } = {}] = slots;
  const key = Buffer.from(hkdfSync('sha256', Buffer.alloc(40, 'a'), Buffer.from(salt, 'hex'), 'umbra key slot 1', 32));
  const opening = createDecipheriv('aes-256-gcm', key, Buffer.from(nonce, 'hex'));
  opening.setAAD(Buffer.from(JSON.stringify(['id', id, 'key', createdMs, null, salt, null, nonce])));
  const sealed = Buffer.from(wrapped, 'hex');
  opening.setAuthTag(sealed.subarray(-16));
  t.same(Buffer.concat([opening.update(sealed.subarray(0, -16)), opening.final()]), payload);
  const master = payload.subarray(0, 32);
  const { frames, meta, seed } = keysOf(payload, 'id', 'chacha20-poly1305');
  t.same(Buffer.from(frames.data), Buffer.from(hkdfSync('sha256', master, 'id', 'umbra frames 1', 32)));
  t.same(Buffer.from(frames.names), Buffer.from(hkdfSync('sha256', master, 'id', 'umbra names 1', 32)));
  t.same(Buffer.from(meta.values), Buffer.from(hkdfSync('sha256', master, 'id', 'umbra meta 1', 32)));
  t.equal(seed, 0x0123456789abcdefn);
  t.throws(() => keysOf(Buffer.alloc(32), 'id', 'aes-256-gcm'), { code: 'KEY_DAMAGED' });
});

t.test('damage of each field is told from a wrong secret; other slots still open it', async (t) => {
  const text = encodeKeyring(await keyring(passphrase('a passphrase'), keyFile('b')));
  const fields = JSON.parse(text) as { slots: Record<string, unknown>[] };
  const [first = {}, second = {}] = fields.slots;
  const damages: Record<string, unknown>[] = [
    ...Object.keys(first).map((name) => ({ ...first, [name]: typeof first[name] === 'number' ? 6 : '00' })),
    ...Object.keys(first).map((name) => ({ ...first, [name]: undefined })),
    { ...first, argon2id: { memoryKiB: 100 * 1024 * 1024, passes: 1, lanes: 1 } },
    { ...first, argon2id: { memoryKiB: 16, passes: 1, lanes: 1 } },
    { ...first, label: 5 },
    { ...first, label: 'mine' },
  ];
  for (const damaged of damages) {
    const ring = read(JSON.stringify({ ...fields, slots: [damaged, second] }));
    t.match(ring.slots[0], { isDamaged: true }, JSON.stringify(damaged).slice(0, 60));
    await t.rejects(openKeyring(ring, passphrase('a passphrase')), { code: 'KEY_DAMAGED', hint: /from a copy/ });
    t.same((await openKeyring(ring, keyFile('b'))).payload, payload);
    await t.rejects(openKeyring(ring, keyFile('c')), { code: 'KEY_DAMAGED', message: /the other one is not/ });
  }
  const both = read(JSON.stringify({ ...fields, slots: [null, 7] }));
  await t.rejects(openKeyring(both, keyFile('b')), { message: /^2 wrapped keys of the store are damaged$/ });
  t.match(JSON.parse(encodeKeyring(both)), { slots: [] });
});

t.test('what is no keyring', (t) => {
  const good = { product: 'umbra keys', version: 1, store: 'id', generation: 1, slots: [] };
  t.same(parseKeyring(JSON.stringify(good)), { store: 'id', generation: 1, slots: [] });
  for (const wrong of [
    '',
    '{',
    '[]',
    'null',
    '7',
    ...['product', 'version', 'store', 'generation', 'slots'].map((name) => JSON.stringify({ ...good, [name]: {} })),
  ]) {
    t.equal(parseKeyring(wrong), undefined, wrong);
  }
  t.throws(() => parseKeyring(JSON.stringify({ ...good, version: 2 })), { code: 'STORE_NEWER' });
  const many = Array.from({ length: 1000 }, () => ({}));
  t.equal(parseKeyring(JSON.stringify({ ...good, slots: many }))?.slots.length, MAX_SLOTS);
  t.end();
});

t.test('keys come and go, but never the last one', async (t) => {
  const one = await keyring(keyFile('a'));
  const id = one.slots[0]?.id ?? '';
  t.throws(() => removeSlot(one, id), { code: 'BAD_ARGUMENT', hint: /key add/ });
  t.throws(() => removeSlot(one, 'ffff'), { code: 'NOT_FOUND' });
  t.throws(
    () => {
      assertSlot(one, 'ffff');
    },
    { code: 'NOT_FOUND', hint: /key show/ },
  );
  const { keyring: two, slot } = await addSlot(one, payload, { secret: keyFile('b'), nowMs: 7, label: 'safe' });
  t.match(slot, { kind: 'key', label: 'safe', createdMs: 7 });
  const left = removeSlot(two, id);
  t.match(left, { generation: 3, slots: [{ id: slot.id }] });
  await t.rejects(openKeyring(left, keyFile('a')), { code: 'KEY_WRONG' });
  t.same((await openKeyring(read(encodeKeyring(left)), keyFile('b'))).payload, payload);
  const full = { ...one, slots: Array.from({ length: MAX_SLOTS }, () => slot) };
  await t.rejects(addSlot(full, payload, { secret: keyFile('c'), nowMs: 7 }), {
    code: 'BAD_ARGUMENT',
    message: /16 keys/,
  });
});
