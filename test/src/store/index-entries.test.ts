import t from 'tap';

import { ObjectType } from '../../../src/codec/formats.js';
import { withCheck } from '../../../src/store/checked.js';
import { putEntry, readDetails, readSequence } from '../../../src/store/index-entries.js';
import { sequenceKey } from '../../../src/store/keys.js';
import { flipBit } from '../../kit/store-damage.js';
import { Random } from '../../kit/random.js';

const ENTRY = {
  sequence: 2 ** 40 + 3,
  type: ObjectType.leaf,
  digest: Buffer.alloc(32, 5),
  plainBytes: 2 ** 26,
  storedBytes: 77,
};

t.test('come back as they were; damaged ones do not', (t) => {
  const [forward, back] = putEntry(ENTRY);
  if (forward?.type !== 'put' || back?.type !== 'put') throw new RangeError('two puts');
  t.equal(readSequence(forward.key, forward.value), ENTRY.sequence);
  t.same(readDetails(back.key, back.value, ENTRY.sequence), ENTRY);
  const random = new Random(1);
  for (let round = 0; round < 200; round++) {
    if (readSequence(forward.key, flipBit(random, Buffer.from(forward.value))) !== undefined) t.fail('forward');
    if (readDetails(back.key, flipBit(random, Buffer.from(back.value)), ENTRY.sequence) !== undefined) t.fail('back');
  }
  t.equal(readSequence(forward.key, withCheck(forward.key, Buffer.alloc(7))), undefined);
  const key = sequenceKey(1);
  t.equal(readDetails(key, withCheck(key, Buffer.alloc(41, 99)), 1), undefined, 'a type that is not known');
  t.equal(readDetails(key, withCheck(key, Buffer.alloc(40, 1)), 1), undefined, 'a length that is not right');
  t.end();
});
