import t from 'tap';
import { UmbraError } from '../../../src/common/errors.js';
import { copyError } from '../../../src/files/copy-error.js';

function systemError(code: string): Error {
  return Object.assign(new RangeError(`${code}: no, open '/proc/self/fd/20/.umbra-0.partial'`), { code });
}

t.test('what ends a copy', async (t) => {
  t.match(copyError('/x', systemError('EACCES')), {
    code: 'TARGET_FAILED',
    message: '/x cannot be written: permission denied',
  });
  t.match(copyError('/x', systemError('EROFS')), { code: 'TARGET_FAILED', message: /EROFS/ });
  t.match(copyError('/x', systemError('ENOSPC')), { code: 'TARGET_FULL' });
  for (const error of [new UmbraError('TARGET_EXISTS', 'there'), new RangeError('a defect'), 'text']) {
    t.equal(copyError('/x', error), error);
  }
});
