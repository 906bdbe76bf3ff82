import t from 'tap';
import { posixAclXattr } from '../../../../mount/filesystems/ext/acl.js';

void t.test('a broken access control list is an error', async (t) => {
  const broken = ['', '02000000', '01000000ff', '0100000099000700', '01000000020007000a00'];
  for (const hex of broken) {
    t.throws(() => posixAclXattr(Buffer.from(hex, 'hex'), 12), { code: 'FILESYSTEM_DAMAGED' }, hex);
  }
});

void t.test('entries without an id get the id of none', async (t) => {
  const stored = Buffer.from('01000000' + '01000600' + '02000400e8030000' + '20000000', 'hex');
  t.equal(
    Buffer.from(posixAclXattr(stored, 12)).toString('hex'),
    '02000000' + '01000600ffffffff' + '02000400e8030000' + '20000000ffffffff',
  );
});
