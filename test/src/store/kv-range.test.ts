import t from 'tap';
import { compareKeys, inRange } from '../../../src/store/kv-range.js';
import { bytes } from '../../kit/bytes.js';

t.test('compareKeys', (t) => {
  t.ok(compareKeys(bytes('a'), bytes('b')) < 0);
  t.ok(compareKeys(bytes('a'), bytes('aa')) < 0);
  t.ok(compareKeys(bytes('\xff'), bytes('\x7f')) > 0);
  t.equal(compareKeys(bytes('a'), new Uint8Array([97])), 0);
  t.end();
});

t.test('inRange', (t) => {
  t.ok(inRange(bytes('b'), {}));
  t.ok(inRange(bytes('b'), { gte: bytes('b'), lte: bytes('b') }));
  t.notOk(inRange(bytes('b'), { gt: bytes('b') }));
  t.notOk(inRange(bytes('b'), { lt: bytes('b') }));
  t.notOk(inRange(bytes('a'), { gte: bytes('b') }));
  t.notOk(inRange(bytes('c'), { lte: bytes('b') }));
  t.ok(inRange(bytes('bb'), { gt: bytes('b'), lt: bytes('c') }));
  t.end();
});
