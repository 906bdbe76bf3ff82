import { execFileSync } from 'node:child_process';
import { closeSync, fsyncSync, linkSync, mkdirSync, openSync, symlinkSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { setXattr } from '../../../../src/system/xattrs.js';
import { loopMount } from '../../../kit/filesystems/loop-mount.js';
import { fuzzXfs } from '../../../kit/filesystems/xfs-fuzz.js';
import { formatXfs } from '../../../kit/filesystems/xfs-image.js';
import { temporaryDirectory } from '../../../kit/temporary.js';
import { firstSeed, repeats } from '../../../kit/repeats.js';

const MUTANTS = 200;

/** A small tree with one of each structure. */
function fill(top: string): void {
  writeFileSync(join(top, 'linked'), 'x');
  for (const count of [3, 40, 200, 700]) {
    mkdirSync(join(top, `dir-${count}`));
    // Links, so that most mutants hit something else than one of hundreds of inodes.
    for (let index = 0; index < count; index++) {
      linkSync(join(top, 'linked'), join(top, `dir-${count}`, `${'n'.repeat(30)}${index}`));
    }
  }
  for (const length of [20, 900]) symlinkSync('t'.repeat(length), join(top, `link-${length}`));
  for (const [name, extents] of [['some', 4] as const, ['many', 400] as const]) {
    const file = openSync(join(top, name), 'w');
    for (let index = 0; index < extents; index++) writeSync(file, 'x', index * 8192);
    closeSync(file);
  }
  for (const [name, count, length] of [
    ['few', 2, 10] as const,
    ['leaf', 20, 50] as const,
    ['node', 200, 60] as const,
  ]) {
    writeFileSync(join(top, `attributes-${name}`), 'x');
    for (let index = 0; index < count; index++)
      setXattr(join(top, `attributes-${name}`), `user.${index}`, Buffer.alloc(length, 'v'));
  }
  setXattr(join(top, 'some'), 'user.large', Buffer.alloc(20_000, 'v'));
  setXattr(
    join(top, 'some'),
    'system.posix_acl_access',
    Buffer.from('0200000001000600ffffffff04000400ffffffff20000000ffffffff', 'hex'),
  );
}

t.test('no mutant gets anything but an error of the file system out of the reader', async (t) => {
  const directory = temporaryDirectory(t);
  const [image, dirty, lost] = [
    join(directory, 'clean.img'),
    join(directory, 'dirty.img'),
    join(directory, 'lost.img'),
  ];
  formatXfs(image, { sizeMib: 32, mkfs: ['-b', 'size=4096', '-d', 'agcount=2'] });
  const mount = loopMount(t, image, [], 'xfs');
  fill(mount.directory);
  const top = openSync(mount.directory, 'r');
  fsyncSync(top);
  closeSync(top);
  execFileSync('cp', ['--sparse=always', image, dirty]);
  mount.unmount();
  execFileSync('cp', ['--sparse=always', dirty, lost]);
  execFileSync('dd', ['if=/dev/zero', `of=${lost}`, 'bs=512', 'count=1', 'conv=notrunc'], { stdio: 'ignore' });
  const seed = firstSeed(t);
  t.same((await fuzzXfs(lost, repeats(MUTANTS / 4), seed)).slice(0, 5), [], 'without the first sector');
  for (const one of [image, dirty]) t.same((await fuzzXfs(one, repeats(MUTANTS / 2), seed)).slice(0, 5), []);
});
