import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { getXattr, listXattrs, setXattr } from '../../../src/system/xattrs.js';
import { temporaryDirectory } from '../../kit/temporary.js';

t.test('attributes are set, listed and read, by any path', async (t) => {
  const directory = temporaryDirectory(t);
  const path = Buffer.concat([Buffer.from(`${directory}/`), Buffer.of(0xe4, 0x62)]);
  writeFileSync(path, 'content');
  setXattr(path, 'user.one', Buffer.from('first'));
  setXattr(path, 'user.zwei', Buffer.of(0, 255, 0));
  t.same([...listXattrs(path)].filter((name) => name.startsWith('user.')).sort(), ['user.one', 'user.zwei']);
  t.equal(getXattr(path, 'user.one').toString(), 'first');
  t.same(getXattr(path, 'user.zwei'), Buffer.of(0, 255, 0));
});

t.test('what is not there is an error of the system', async (t) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, 'file');
  t.throws(() => listXattrs(path), { code: 'ENOENT', syscall: 'llistxattr' });
  writeFileSync(path, 'content');
  t.throws(() => getXattr(path, 'user.none'), { code: 'ENODATA', syscall: 'lgetxattr' });
  symlinkSync('file', join(directory, 'link'));
  t.throws(
    () => {
      setXattr(join(directory, 'link'), 'user.one', Buffer.from('no user attributes on links'));
    },
    { code: 'EPERM' },
  );
  t.same(
    listXattrs('/proc/self/status').filter((name) => name.startsWith('user.')),
    [],
  );
});
