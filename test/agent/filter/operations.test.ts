// Through the kernel, with the filter in a process of its own. These tests need /dev/fuse and root, and never skip.
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  renameSync,
  rmdirSync,
  statfsSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import t from 'tap';
import { systemCode } from '../../../src/common/errors.js';
import { syncDirectory } from '../../../src/system/sync-directory.js';
import { getXattr, listXattrs, removeXattr, setXattr } from '../../../src/system/xattrs.js';
import { TestFilter } from '../../kit/filter.js';
import { Random, testSeed } from '../../kit/random.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const NAMES = ['a', 'b', 'dir', 'dir/c', 'dir/d', 'other', 'other/e'];

/** What a random operation does below a directory; what it gives or how it fails must be the same everywhere. */
type Step = (root: string, open: Map<number, number>) => unknown;

function randomStep(random: Random): Step {
  const [name = '', second = ''] = [NAMES[random.below(NAMES.length)], NAMES[random.below(NAMES.length)]];
  const offset = random.below(300_000);
  const bytes = random.bytes(random.between(1, 9000));
  const slot = random.below(4);
  const kind = random.below(22);
  const at = (root: string): string => join(root, name);
  const handle = (open: Map<number, number>): number => open.get(slot) ?? -1;
  const steps: readonly Step[] = [
    (root) => {
      writeFileSync(at(root), bytes);
    },
    (root) => {
      appendFileSync(at(root), bytes);
    },
    (root) => readFileSync(at(root)).toString('latin1'),
    (root) => {
      truncateSync(at(root), offset);
    },
    // Of files that are open there is a test of its own below.
    (root, open) => {
      if (open.size === 0) unlinkSync(at(root));
    },
    (root, open) => {
      if (open.size === 0) renameSync(at(root), join(root, second));
    },
    (root) => {
      linkSync(at(root), join(root, second));
    },
    (root) => {
      symlinkSync(second, at(root));
    },
    (root) => readlinkSync(at(root)),
    (root) => {
      mkdirSync(at(root));
    },
    (root) => {
      rmdirSync(at(root));
    },
    (root) => {
      chmodSync(at(root), offset & 0o777);
    },
    (root) => {
      chownSync(at(root), offset % 1000, 7);
    },
    (root) => {
      utimesSync(at(root), offset, offset * 2);
    },
    (root) => {
      setXattr(at(root), 'user.umbra', bytes.subarray(0, 100), 0);
    },
    (root) => [...getXattr(at(root), 'user.umbra')],
    (root) => {
      removeXattr(at(root), 'user.umbra');
    },
    (root, open) => {
      if (!open.has(slot)) open.set(slot, openSync(at(root), constants.O_RDWR));
    },
    (_root, open) => {
      closeSync(handle(open));
      open.delete(slot);
    },
    (_root, open) => writeSync(handle(open), bytes, 0, bytes.length, offset),
    (_root, open) => {
      const target = Buffer.alloc(20_000);
      return [readSync(handle(open), target, 0, target.length, offset % 40_000), target.toString('latin1')];
    },
    (_root, open) => {
      ftruncateSync(handle(open), offset);
      return fstatSync(handle(open)).size;
    },
  ];
  return steps[kind] ?? (() => undefined);
}

function attempt(step: Step, root: string, open: Map<number, number>): unknown {
  try {
    return step(root, open);
  } catch (error) {
    return systemCode(error) ?? error;
  }
}

/** What a program can see of a tree, but for times, and numbers of links: libfuse keeps a name of a deleted open file. */
function seen(root: string, path = '.'): readonly unknown[] {
  const stats = lstatSync(`${root}/${path}`);
  const { mode, uid, gid } = stats;
  const common = [path, mode, uid, gid, listXattrs(`${root}/${path}`)];
  if (stats.isSymbolicLink()) return [[...common, readlinkSync(`${root}/${path}`)]];
  if (!stats.isDirectory()) return [[...common, stats.size, stats.mode]];
  const names = readdirSync(`${root}/${path}`).filter((name) => !name.startsWith('.fuse_hidden'));
  return [common, ...names.sort().flatMap((name) => seen(root, join(path, name)))];
}

function hasHidden(root: string): boolean {
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' });
  return names.some((name) => name.includes('.fuse_hidden'));
}

const filter = await TestFilter.start(t);

/** A new directory in the mount, and the same below it. */
function newDirectory(name: string): { readonly directory: string; readonly lower: string } {
  mkdirSync(join(filter.directory, name));
  return { directory: join(filter.directory, name), lower: join(filter.lower(), name) };
}

t.test('whatever programs do, it is as in a plain directory', async (t) => {
  const { directory, lower } = newDirectory('model');
  const plain = temporaryDirectory(t);
  chmodSync(plain, lstatSync(directory).mode & 0o7777);
  const random = new Random(testSeed(t));
  const [mine, theirs] = [new Map<number, number>(), new Map<number, number>()];
  for (let round = 0; round < 700; round++) {
    const step = randomStep(random);
    const wanted = attempt(step, plain, theirs);
    let got = attempt(step, directory, mine);
    // The kernel does not wait for the end of a file that was closed; deleted meanwhile, libfuse gives it a hidden name.
    if (got === 'ENOTEMPTY' && wanted !== got) {
      while (hasHidden(directory)) await setTimeout(5);
      got = attempt(step, directory, mine);
    }
    if (JSON.stringify(got) !== JSON.stringify(wanted)) {
      t.equal(got, wanted, `round ${round}: ${step.toString()}`);
      break;
    }
    if (round % 100 === 0) t.strictSame(seen(directory), seen(plain));
  }
  for (const fd of [...mine.values(), ...theirs.values()]) closeSync(fd);
  t.strictSame(seen(directory), seen(plain));
  t.strictSame(seen(lower), seen(plain), 'and so it is below');
});

t.test('times, sizes and what a file system says of itself', async (t) => {
  const { directory, lower } = newDirectory('times');
  writeFileSync(join(directory, 'a'), 'text', { mode: 0o640 });
  const path = join(directory, 'a');
  utimesSync(path, 1_000_000.5, 2_000_000.25);
  const below = lstatSync(join(lower, 'a'));
  t.equal(below.atimeMs, 1_000_000_500);
  t.equal(below.mtimeMs, 2_000_000_250, 'fuse-native gives the access time for both');
  t.equal(lstatSync(path).mtimeMs, 2_000_000_250);
  const [mine, theirs] = [statfsSync(directory), statfsSync(lower)];
  t.equal(mine.blocks * mine.bsize, theirs.blocks * theirs.bsize);
  const fd = openSync(path, 'r+');
  fsyncSync(fd);
  await syncDirectory(directory);
  unlinkSync(path);
  t.equal(fstatSync(fd).size, 4, 'a file that was deleted goes on');
  writeSync(fd, 'more', 4);
  t.equal(readFileSync(fd, 'utf8').length, 8);
  closeSync(fd);
  t.strictSame(readdirSync(directory), []);
  execFileSync('mkfifo', ['-m', '604', join(directory, 'pipe')]);
  execFileSync('mknod', ['-m', '640', join(directory, 'null'), 'c', '1', '3']);
  t.equal(lstatSync(join(lower, 'pipe')).mode, 0o010604);
  t.equal(lstatSync(join(lower, 'null')).rdev, 0x103);
  t.equal(lstatSync(join(directory, 'null')).rdev, 0x103);
});

t.test('direct and synchronous writes, appending, creating with a mode', async (t) => {
  const { directory, lower } = newDirectory('direct');
  const path = join(directory, 'disk');
  execFileSync('dd', ['if=/dev/zero', `of=${path}`, 'bs=4096', 'count=8', 'oflag=direct,sync', 'status=none']);
  execFileSync('dd', [`if=${path}`, 'of=/dev/null', 'bs=4096', 'iflag=direct', 'status=none']);
  t.equal(lstatSync(path).size, 32_768);
  const fd = openSync(path, 'a');
  writeSync(fd, 'end');
  closeSync(fd);
  t.equal(readFileSync(join(lower, 'disk'), 'utf8').slice(-3), 'end');
  closeSync(openSync(join(directory, 'private'), 'wx', 0o600));
  t.equal(lstatSync(join(lower, 'private')).mode & 0o777, 0o600);
  t.throws(() => openSync(join(directory, 'private'), 'wx'), { code: 'EEXIST' });
});

t.test('the place of the views is hidden and nobody can write there', async (t) => {
  const top = join(filter.directory, '.umbra-view');
  t.notOk(readdirSync(filter.directory).includes('.umbra-view'));
  t.strictSame(readdirSync(top), []);
  t.equal(lstatSync(top).mode, constants.S_IFDIR | 0o500);
  t.notOk(existsSync(join(top, 'none')));
  const code = (work: () => void): string | undefined => {
    try {
      work();
      return undefined;
    } catch (error) {
      return systemCode(error);
    }
  };
  t.equal(
    code(() => {
      writeFileSync(join(top, 'x'), '');
    }),
    'EACCES',
  );
  t.equal(
    code(() => {
      mkdirSync(join(top, 'x'));
    }),
    'EACCES',
  );
  t.equal(
    code(() => {
      rmdirSync(top);
    }),
    'EACCES',
  );
  t.equal(
    code(() => {
      renameSync(top, join(filter.directory, 'x'));
    }),
    'EACCES',
  );
});
