import t from 'tap';
import { UmbraError } from '../../../src/common/errors.js';
import { fromWireError, isWireError, toWireError } from '../../../src/protocol/wire-error.js';

void t.test('an error crosses the socket with its code, message and hint', async (t) => {
  const error = new UmbraError('NOT_FOUND', 'no machine web1', { hint: 'Look again.' });
  t.match(fromWireError(toWireError(error)), { code: 'NOT_FOUND', message: 'no machine web1', hint: 'Look again.' });
  t.same(toWireError(new UmbraError('CANCELLED', 'cancelled')), { code: 'CANCELLED', message: 'cancelled' });
});

void t.test('what has no code is a defect', async (t) => {
  t.same(toWireError(new TypeError('x is undefined')), { code: 'INTERNAL', message: 'x is undefined' });
  t.same(toWireError('text'), { code: 'INTERNAL', message: 'text' });
});

void t.test('a code of a newer version is a defect with its name', async (t) => {
  t.match(fromWireError({ code: 'FUTURE', message: 'boom' }), { code: 'INTERNAL', message: 'FUTURE: boom' });
});

void t.test('only the right shape is a wire error', async (t) => {
  t.ok(isWireError({ code: 'A', message: 'b' }));
  t.ok(isWireError({ code: 'A', message: 'b', hint: 'c' }));
  for (const value of [null, 'x', {}, { code: 1, message: 'b' }, { code: 'A' }, { code: 'A', message: 'b', hint: 1 }]) {
    t.notOk(isWireError(value), JSON.stringify(value));
  }
});
