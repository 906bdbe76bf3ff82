import { createDecipheriv, createHmac } from 'node:crypto';
import t from 'tap';

import { CIPHERS, type CipherName } from '../../../src/codec/aead.js';
import { makeCompressor } from '../../../src/codec/compression.js';
import { digestOf } from '../../../src/codec/digest.js';
import { FRAME, ObjectType } from '../../../src/codec/formats.js';
import { decodeFrame, encodeFrame } from '../../../src/codec/frame.js';
import { FrameSeal, openStored } from '../../../src/codec/frame-seal.js';
import { xxh64 } from '../../../src/codec/xxhash.js';
import { testKeys } from '../../kit/sealed.js';

const compressor = makeCompressor({ codec: 'zstd', level: 1 });
const plain = Buffer.from('the same words, the same words, and the same words again. '.repeat(90));
const digest = digestOf(plain);
const frame = encodeFrame(ObjectType.chunk, plain, compressor, digest);
const expected = { type: ObjectType.chunk, digest };

function seal(cipher: CipherName = 'aes-256-gcm', store = 'test'): FrameSeal {
  return new FrameSeal(testKeys(cipher, store).frames);
}

/** What the documented layout says, with nothing but Node.js's own cryptography. */
function openByHand(sealed: Buffer, cipher: CipherName): Buffer {
  const { data } = testKeys().frames;
  const key = createHmac('sha256', data).update(sealed.subarray(12, 72)).digest();
  const opening = createDecipheriv(cipher as 'aes-256-gcm', key, Buffer.alloc(12), { authTagLength: 16 });
  opening.setAAD(sealed.subarray(8, 72));
  opening.setAuthTag(sealed.subarray(-16));
  return Buffer.concat([opening.update(sealed.subarray(72, -16)), opening.final()]);
}

for (const cipher of CIPHERS) {
  t.test(`${cipher}: what was sealed can be opened by hand, as the layout says`, (t) => {
    const sealed = seal(cipher).seal(frame, ObjectType.chunk, digest);
    t.equal(sealed.length <= FrameSeal.bound(frame.length), true);
    t.equal(sealed.readBigUInt64LE(0), xxh64(sealed.subarray(8)));
    t.equal(sealed.readUInt32LE(8), FRAME.magic);
    t.same([...sealed.subarray(12, 16)], [2, ObjectType.chunk, cipher === 'aes-256-gcm' ? 1 : 2, 0]);
    const { names } = testKeys().frames;
    const name = createHmac('sha256', names).update(Buffer.of(ObjectType.chunk)).update(digest).digest();
    t.same(sealed.subarray(16, 48), name);
    t.same(seal().nameOf(ObjectType.chunk, digest), name);
    const padded = openByHand(sealed, cipher);
    t.same(padded.subarray(0, frame.length), frame);
    t.ok(padded.subarray(frame.length).every((byte) => byte === 0));
    // Whichever cipher new frames get.
    t.same(decodeFrame(seal().open(sealed), expected), plain);
    t.end();
  });
}

t.test('nothing of the content is seen, and the same content looks different each time', (t) => {
  const first = seal().seal(frame, ObjectType.chunk, digest);
  const second = seal().seal(frame, ObjectType.chunk, digest);
  t.same(first.subarray(8, 48), second.subarray(8, 48), 'one name in one store');
  t.notSame(first.subarray(48, 72), second.subarray(48, 72), 'another salt');
  t.notSame(first.subarray(72), second.subarray(72));
  t.equal(first.includes(Buffer.from(digest)), false);
  const other = seal('aes-256-gcm', 'other').seal(frame, ObjectType.chunk, digest);
  t.notSame(other.subarray(16, 48), first.subarray(16, 48), 'another name in another store');
  t.throws(() => seal().open(other), { message: /seal is broken.*another store/ });
  t.equal(
    new Set(Array.from({ length: 1000 }, () => seal().seal(frame, 1, digest).toString('hex', 48, 72))).size,
    1000,
  );
  t.end();
});

t.test('a change of any bit is found, also behind a right checksum', (t) => {
  const sealed = seal().seal(frame, ObjectType.chunk, digest);
  for (let at = 0; at < sealed.length; at += at < 100 ? 1 : 13) {
    const changed = Buffer.from(sealed);
    changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
    t.throws(() => seal().open(changed), { message: 'the checksum is wrong' }, `byte ${at}`);
    if (at < 8) continue;
    changed.writeBigUInt64LE(xxh64(changed.subarray(8)), 0);
    const reason = /magic number|not known|seal is broken/;
    t.throws(() => seal().open(changed), { name: 'FrameError', message: reason }, `byte ${at}, with its checksum`);
  }
  for (const length of [0, 8, 71, 72 + 16, sealed.length - 1]) {
    t.throws(() => seal().open(sealed.subarray(0, length)), { name: 'FrameError' }, `${length} bytes`);
  }
  t.throws(() => seal().open(Buffer.alloc(70_000_000)), { message: 'the record is too long' });
  t.end();
});

t.test('another object, or one that was never sealed, is refused', (t) => {
  const words = Buffer.from('other words');
  const other = digestOf(words);
  const sealed = seal().seal(encodeFrame(ObjectType.chunk, words, compressor, other), ObjectType.chunk, other);
  t.throws(() => decodeFrame(seal().open(sealed), expected), { message: /another object/ });
  const incompressible = Buffer.from(Array.from({ length: 500 }, (_, index) => (index * 7919) % 251));
  t.throws(() => seal().open(encodeFrame(1, incompressible, compressor)), {
    message: 'it is not encrypted, and the store is',
  });
  t.equal(openStored(frame, undefined), frame);
  // Whoever has the keys and still lies about a length.
  const lying = Buffer.from(frame);
  lying.writeUInt32LE(1 << 20, 52);
  t.throws(() => seal().open(seal().seal(lying, 1, digest)), { message: 'the length is wrong' });
  t.end();
});
