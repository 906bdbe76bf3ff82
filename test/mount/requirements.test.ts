import t from 'tap';
import { allowsOther, checkFuse } from '../../mount/requirements.js';

t.test('this machine can mount', async (t) => {
  await t.resolves(checkFuse({ allowOther: true, uid: 0 }));
  await t.resolves(checkFuse({ allowOther: false, uid: 1000 }));
});

t.test('/etc/fuse.conf', (t) => {
  t.notOk(allowsOther(''));
  t.notOk(allowsOther('# Allow\n#user_allow_other\nmount_max = 1000\n'));
  t.ok(allowsOther('mount_max = 1000\n  user_allow_other  \n'));
  t.end();
});
