import t from 'tap';

import { isUmbraError } from '../../../src/common/errors.js';
import { packRecord, unpackRecord, withCheck, withoutCheck } from '../../../src/store/checked.js';
import { flipBit } from '../../kit/store-damage.js';
import { Random, testSeed } from '../../kit/random.js';

t.test('any flipped bit, a cut value and another key are noticed', (t) => {
  const random = new Random(testSeed(t));
  for (let round = 0; round < 500; round++) {
    const key = random.bytes(random.between(1, 40));
    const value = random.bytes(random.below(60));
    const checked = withCheck(key, value);
    if (!(withoutCheck(key, checked)?.equals(value) ?? false)) t.fail('not what was put in');
    if (withoutCheck(flipBit(random, Buffer.from(key)), checked) !== undefined) t.fail('another key');
    if (withoutCheck(key, checked.subarray(0, random.below(checked.length))) !== undefined) t.fail('cut');
    if (withoutCheck(key, flipBit(random, checked)) !== undefined) t.fail('flipped');
  }
  t.end();
});

t.test('records come back; bytes that are none are STORE_DAMAGED', (t) => {
  const random = new Random(testSeed(t));
  t.same(unpackRecord(packRecord({ a: 1, b: 'x', c: [2 ** 40] }), 'it'), { a: 1, b: 'x', c: [2 ** 40] });
  const wrong = [
    Buffer.of(),
    Buffer.of(0xc0),
    Buffer.of(0x93, 1, 2, 3),
    Buffer.of(0xa1, 0x61),
    Buffer.of(0xc1),
    Buffer.of(0xdd, 0xff, 0xff, 0xff, 0xff),
  ];
  for (const bytes of wrong) t.throws(() => unpackRecord(bytes, 'it'), { code: 'STORE_DAMAGED', message: /^it / });
  for (let round = 0; round < 3000; round++) {
    try {
      unpackRecord(random.bytes(random.below(80)), 'it');
    } catch (error) {
      if (!isUmbraError(error, 'STORE_DAMAGED')) t.fail(String(error));
    }
  }
  t.end();
});
