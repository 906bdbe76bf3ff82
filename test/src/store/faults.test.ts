import t from 'tap';
import { FaultQueue } from '../../../src/store/faults.js';
import { bytes } from '../../kit/bytes.js';

t.test('a fault strikes the calls it is for, and only so often', (t) => {
  const faults = new FaultQueue();
  const error = new RangeError('struck');
  faults.push({ on: 'get', match: ({ key }) => key[0] === 97, after: 1, times: 2, error });
  const struck = ['b', 'a', 'a', 'b', 'a', 'a'].map((key) => faults.take('get', { key: bytes(key) })?.error);
  t.same(struck, [undefined, undefined, error, undefined, error, undefined]);
  t.equal(faults.take('diskBytes', null), undefined);
  faults.assertAllFired();
  t.end();
});

t.test('a call meets one fault, the oldest', (t) => {
  const faults = new FaultQueue();
  faults.push({ on: 'close', error: new RangeError('1') }, { on: 'close', error: new RangeError('2') });
  t.equal(faults.take('close', null)?.error?.message, '1');
  t.throws(() => {
    faults.assertAllFired();
  }, /never struck: close/);
  t.equal(faults.pending().length, 1);
  t.equal(faults.take('close', null)?.error?.message, '2');
  t.same(faults.pending(), []);
  t.end();
});
