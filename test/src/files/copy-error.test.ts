import t from 'tap';
import { UmbraError } from '../../../src/common/errors.js';
import { copyError, goOnCommand } from '../../../src/files/copy-error.js';

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

t.test('how to go on', async (t) => {
  const goOn = goOnCommand('web1@v:/vda1/srv', '/tf/then');
  t.equal(goOn, 'umbra cp -r --force web1@v:/vda1/srv/. /tf/then');
  t.equal(goOnCommand('web1@v:/a b', "/it's"), String.raw`umbra cp -r --force 'web1@v:/a b/.' '/it'\''s'`);
  for (const code of ['CANCELLED', 'SERVER_STOPPING'] as const) {
    t.match(copyError('/x', new UmbraError(code, 'ended'), goOn), {
      code,
      message: 'ended',
      hint: `To go on with it: ${goOn}`,
    });
  }
  t.match(copyError('/x', systemError('EDQUOT'), goOn), { code: 'TARGET_FULL', hint: new RegExp(`go on .*: ${goOn}`) });
  t.match(copyError('/x', systemError('EIO'), goOn), { code: 'TARGET_FAILED', hint: undefined });
});
