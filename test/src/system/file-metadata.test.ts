import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { deviceNumbers } from '../../../src/system/device-numbers.js';
import {
  makeNode,
  removeFileXattr,
  renameWithoutReplacing,
  setFileXattr,
  setPathTimes,
  setTimes,
} from '../../../src/system/file-metadata.js';
import { getXattr } from '../../../src/system/xattrs.js';
import { temporaryDirectory } from '../../kit/temporary.js';

t.test('times to the nanosecond, before 1970 too', async (t) => {
  const path = join(temporaryDirectory(t), 'file');
  writeFileSync(path, '');
  const fd = openSync(path, 'r');
  for (const mtimeNs of [0n, -1n, 1_999_999_999_123_456_789n, -1_000_000_001n, -5_000_000_000n]) {
    setTimes(fd, { atimeNs: mtimeNs + 1n, mtimeNs });
    t.same(lstatSync(path, { bigint: true }).mtimeNs, mtimeNs);
    t.same(lstatSync(path, { bigint: true }).atimeNs, mtimeNs + 1n);
  }
  closeSync(fd);
});

t.test('a link has times of its own', async (t) => {
  const path = join(temporaryDirectory(t), 'link');
  symlinkSync('/nowhere', path);
  setPathTimes(path, { atimeNs: 5n, mtimeNs: 7n });
  t.same(lstatSync(path, { bigint: true }).mtimeNs, 7n);
  t.throws(
    () => {
      setPathTimes(`${path}2`, { atimeNs: 5n, mtimeNs: 7n });
    },
    { code: 'ENOENT', syscall: 'utimensat' },
  );
});

t.test('attributes of an open file', async (t) => {
  const path = join(temporaryDirectory(t), 'file');
  writeFileSync(path, '');
  const fd = openSync(path, 'r');
  setFileXattr(fd, 'user.x', Buffer.of(0, 1, 255));
  t.same(getXattr(path, 'user.x'), Buffer.of(0, 1, 255));
  removeFileXattr(fd, 'user.x');
  t.throws(
    () => {
      removeFileXattr(fd, 'user.x');
    },
    { code: 'ENODATA' },
  );
  closeSync(fd);
});

t.test('special files', async (t) => {
  const directory = temporaryDirectory(t);
  for (const type of ['fifo', 'socket'] as const) makeNode(join(directory, type), type, 0o666);
  t.ok(lstatSync(join(directory, 'fifo')).isFIFO());
  t.equal(lstatSync(join(directory, 'fifo')).mode & 0o777, 0o666, 'whatever the umask is');
  t.ok(lstatSync(join(directory, 'socket')).isSocket());
  if (process.geteuid?.() !== 0) return;
  makeNode(join(directory, 'block'), 'block-device', 0o600, { major: 259, minor: 70_000 });
  makeNode(join(directory, 'character'), 'character-device', 0o600, { major: 1, minor: 3 });
  const block = lstatSync(join(directory, 'block'), { bigint: true });
  t.ok(block.isBlockDevice());
  t.same(deviceNumbers(block.rdev), { major: 259n, minor: 70_000n });
  t.ok(lstatSync(join(directory, 'character')).isCharacterDevice());
});

t.test('a rename that replaces nothing', async (t) => {
  const directory = temporaryDirectory(t);
  const [a, b, c] = ['a', 'b', 'c'].map((name) => join(directory, name));
  writeFileSync(a ?? '', 'a');
  mkdirSync(b ?? '');
  t.throws(
    () => {
      renameWithoutReplacing(a ?? '', b ?? '');
    },
    { code: 'EEXIST' },
  );
  renameWithoutReplacing(a ?? '', Buffer.from(c ?? ''));
  t.equal(readFileSync(c ?? '', 'utf8'), 'a');
  t.notOk(existsSync(a ?? ''));
});
