import t from 'tap';

import { ObjectType } from '../../../src/codec/formats.js';
import {
  catalogKey,
  digestKey,
  highWaterKey,
  objectKey,
  objectName,
  objectRange,
  prefixRange,
  quarantineKey,
  SEQUENCE_LIMIT,
  sequenceKey,
  sequenceOfKey,
  sequenceOfObjectKey,
  storeKey,
} from '../../../src/store/keys.js';
import type { KvRange } from '../../../src/store/kv.js';

const digest = Buffer.alloc(32, 0xab);

function inRange(key: Buffer, { gte, lt }: KvRange): boolean {
  return (gte === undefined || Buffer.compare(key, gte) >= 0) && (lt === undefined || Buffer.compare(key, lt) < 0);
}

t.test('are frozen', (t) => {
  t.equal(objectKey(258).toString('hex'), '0000000000000102');
  t.equal(sequenceKey(258).toString('hex'), '730000000000000102');
  t.equal(digestKey(ObjectType.leaf, digest).toString('hex'), `6402${'ab'.repeat(32)}`);
  t.equal(quarantineKey(ObjectType.chunk, digest).toString('hex'), `7101${'ab'.repeat(32)}`);
  t.equal(catalogKey('web', '2026-11-22T10-15-00Z').toString('latin1'), 'cweb\u00002026-11-22T10-15-00Z');
  t.equal(`${highWaterKey.toString()}${storeKey.toString()}`, 'hf');
  t.equal(objectName(ObjectType.inner, digest), `3${'ab'.repeat(32)}`);
  t.end();
});

t.test('give their sequence numbers back; damaged ones do not', (t) => {
  for (const sequence of [0, 1, 2 ** 32 + 1, SEQUENCE_LIMIT - 1]) {
    t.equal(sequenceOfObjectKey(objectKey(sequence)), sequence);
    t.equal(sequenceOfKey(sequenceKey(sequence)), sequence);
  }
  for (const key of [
    Buffer.alloc(0),
    Buffer.alloc(7),
    Buffer.alloc(9),
    Buffer.alloc(8, 0xff),
    objectKey(SEQUENCE_LIMIT),
  ]) {
    t.equal(sequenceOfObjectKey(key), undefined);
  }
  for (const key of [Buffer.alloc(8), Buffer.alloc(10), Buffer.alloc(9, 0xff)]) t.equal(sequenceOfKey(key), undefined);
  t.ok(inRange(objectKey(SEQUENCE_LIMIT - 1), objectRange));
  t.notOk(inRange(objectKey(SEQUENCE_LIMIT), objectRange));
  t.ok(inRange(sequenceKey(5), prefixRange(0x73)));
  t.end();
});
