import { constants } from 'node:os';
import { constants as files } from 'node:fs';
import t from 'tap';
import { systemClock } from '../../src/common/clock.js';
import { UmbraError } from '../../src/common/errors.js';
import { silentLog } from '../../src/common/log.js';
import { createHandlers } from '../../mount/handlers.js';
import { OpenFiles } from '../../mount/open-files.js';
import { TroubleLog } from '../../mount/trouble-log.js';
import { FakeSource, patternBytes } from '../kit/fake-source.js';
import { FakeFilesystem } from '../kit/filesystems/fake-filesystem.js';
import { filesOf, fixedDevices, OWNER, treeOf } from '../kit/tree.js';

const { ENOENT, EROFS, EBADF, EIO, ENOTDIR } = constants.errno;
const T0 = Date.UTC(2026, 10, 22, 10, 15);
const VOLUME = '/vm/2026-11-22T10-15-00Z/volumes/vda.raw';

function setUp(timeMs = T0) {
  const source = new FakeSource();
  source.add('vm', timeMs, { volumes: [{ name: 'vda', sizeBytes: 100_000, seed: 1, damagedFrom: 90_000 }] });
  const open = new OpenFiles();
  const trouble = new TroubleLog(silentLog, systemClock);
  return { source, open, handlers: createHandlers({ tree: treeOf(source), files: open, trouble }) };
}

/** Calls a handler; resolves with what it answers, the error first. */
function call(handler: (done: (...answer: unknown[]) => void) => void): Promise<unknown[]> {
  return new Promise((resolve) => {
    handler((...answer) => {
      resolve(answer);
    });
  });
}

t.test('getattr', async (t) => {
  const { handlers } = setUp();
  const [error, stat] = await call((done) => {
    handlers.getattr(VOLUME, done);
  });
  t.equal(error, 0);
  t.match(stat, { mode: 0o100400, size: 100_000, nlink: 1, ...OWNER, mtime: T0, atime: T0, ctime: T0 });
  t.strictSame(
    await call((done) => {
      handlers.getattr('/none', done);
    }),
    [-ENOENT],
  );
});

t.test('a time before 1970 becomes 0, since only unsigned ones can be passed', async (t) => {
  const { handlers } = setUp(-5000);
  const [, stat] = await call((done) => {
    handlers.getattr('/vm', done);
  });
  t.match(stat, { mtime: 0 });
});

t.test('readdir gives a type and a number for each name', async (t) => {
  const { handlers } = setUp();
  const [error, listed] = await call((done) => {
    handlers.readdir('/vm', done);
  });
  t.equal(error, 0);
  t.match(listed, {
    names: ['.', '..', '2026-11-22T10-15-00Z', 'latest'],
    types: [0o040000, 0o040000, 0o040000, 0o120000],
    inos: [0xffffffff, 0xffffffff, Number, Number],
  });
  t.strictSame(
    await call((done) => {
      handlers.readdir(VOLUME, done);
    }),
    [-ENOTDIR],
  );
});

/** A tree with a guest's file `f` that has attributes, and `d`, of which nothing is right. */
function setUpGuest() {
  const source = new FakeSource();
  source.add('vm', T0);
  const filesystem = new FakeFilesystem();
  const xattrs = new Map([
    ['user.small', Buffer.from('value')],
    ['user.large', Buffer.alloc(65_536)],
    ['user.larger', Buffer.alloc(65_537)],
    [`user.${'n'.repeat(251)}`, Buffer.from('x')],
  ]);
  filesystem.add('f', {}, { xattrs });
  filesystem.add('d', {}, { damaged: true });
  const tree = treeOf(source, undefined, filesOf(source, fixedDevices({ vda1: filesystem })));
  const trouble = new TroubleLog(silentLog, systemClock);
  const handlers = createHandlers({ tree, files: new OpenFiles(), trouble });
  return { handlers, top: '/vm/2026-11-22T10-15-00Z/files/vda1' };
}

t.test('extended attributes, those that can be passed', async (t) => {
  const { handlers, top } = setUpGuest();
  const get = (path: string, name: string): Promise<unknown[]> =>
    call((done) => {
      handlers.getxattr(path, name, done);
    });
  const list = (path: string): Promise<unknown[]> =>
    call((done) => {
      handlers.listxattr(path, done);
    });
  t.strictSame(await list(`${top}/f`), [0, ['user.small', 'user.large']]);
  t.strictSame(await list(top), [0, []]);
  t.strictSame(await list('/vm'), [0, []]);
  t.strictSame(await list(`${top}/d`), [-EIO]);
  t.strictSame(await get(`${top}/f`, 'user.small'), [0, Buffer.from('value')]);
  t.strictSame(await get(`${top}/f`, 'user.none'), [0, undefined]);
  t.strictSame(await get('/vm', 'user.none'), [0, undefined]);
  t.strictSame(await get('/none', 'user.none'), [-ENOENT]);
});

t.test('statfs shows the figures of the guest', async (t) => {
  const { handlers, top } = setUpGuest();
  const statfs = (path: string): Promise<unknown[]> =>
    call((done) => {
      handlers.statfs(path, done);
    });
  t.match(await statfs(`${top}/f`), [0, { bsize: 4096, blocks: 1000, bfree: 250, files: 100, ffree: 50 }]);
  t.match(await statfs('/vm'), [0, { bsize: 4096, blocks: 0 }]);
});

t.test('what can be read of a damaged directory is shown, and the damage is logged', async (t) => {
  const lines: unknown[] = [];
  const log = { ...silentLog, error: (message: string, fields: unknown) => lines.push({ message, fields }) };
  const damage = new UmbraError('FILESYSTEM_DAMAGED', 'block 7 makes no sense');
  let batches: { name: string; kind: 'file'; ino: number }[][] = [[{ name: 'a', kind: 'file', ino: 5 }]];
  const tree = Object.assign(treeOf(new FakeSource()), {
    *batches() {
      yield* batches;
      throw damage;
    },
  });
  const handlers = createHandlers({ tree, files: new OpenFiles(), trouble: new TroubleLog(log, systemClock) });
  const list = (): Promise<unknown[]> =>
    call((done) => {
      handlers.readdir('/d', done);
    });
  t.match(await list(), [0, { names: ['.', '..', 'a'] }]);
  t.match(lines, [{ fields: { reason: 'block 7 makes no sense', operation: 'readdir', path: '/d' } }]);
  batches = [];
  t.strictSame(await list(), [-EIO], 'nothing can be read');
});

t.test('a directory that is too large is an error', async (t) => {
  const batch = Array.from({ length: 1001 }, (_, index) => ({ name: `f${index}`, kind: 'file' as const, ino: 1 }));
  const tree = Object.assign(treeOf(new FakeSource()), {
    *batches() {
      for (let count = 0; count < 2000; count++) yield batch;
    },
  });
  const trouble = new TroubleLog(silentLog, systemClock);
  const handlers = createHandlers({ tree, files: new OpenFiles(), trouble });
  t.strictSame(
    await call((done) => {
      handlers.readdir('/', done);
    }),
    [-constants.errno.EFBIG],
  );
});

t.test('open, read, release', async (t) => {
  const { source, open, handlers } = setUp();
  const [error, handle] = await call((done) => {
    handlers.open(VOLUME, files.O_RDONLY, done);
  });
  t.equal(error, 0);
  const fd = Number(handle);
  const buffer = Buffer.alloc(4096);
  t.strictSame(
    await call((done) => {
      handlers.read(VOLUME, fd, buffer, 1000, 5000, done);
    }),
    [1000],
  );
  t.ok(buffer.subarray(0, 1000).equals(patternBytes(1, 5000, 1000)));
  t.strictSame(
    await call((done) => {
      handlers.read(VOLUME, fd, buffer, 4096, 200_000, done);
    }),
    [0],
    'past the end',
  );
  t.strictSame(
    await call((done) => {
      handlers.read(VOLUME, fd, buffer, 4096, 89_000, done);
    }),
    [-EIO],
  );
  t.strictSame(
    await call((done) => {
      handlers.release(VOLUME, fd, done);
    }),
    [0, undefined],
  );
  t.strictSame([open.size, source.openReaders], [0, 0]);
  t.strictSame(
    await call((done) => {
      handlers.read(VOLUME, fd, buffer, 10, 0, done);
    }),
    [-EBADF],
  );
});

t.test('opening for writing is refused', async (t) => {
  const { open, handlers } = setUp();
  for (const flags of [files.O_WRONLY, files.O_RDWR, files.O_RDWR | files.O_TRUNC]) {
    t.strictSame(
      await call((done) => {
        handlers.open(VOLUME, flags, done);
      }),
      [-EROFS],
    );
  }
  t.equal(open.size, 0);
});

t.test('every handler that would change something says EROFS', async (t) => {
  const { handlers: h } = setUp();
  const empty = Buffer.alloc(0);
  const calls: ((done: (error: number) => void) => void)[] = [
    (done) => {
      h.write('/x', 1, empty, 0, 0, done);
    },
    (done) => {
      h.create('/x', 0o644, done);
    },
    (done) => {
      h.truncate('/x', 0, done);
    },
    (done) => {
      h.ftruncate('/x', 1, 0, done);
    },
    (done) => {
      h.utimens('/x', 0, 0, done);
    },
    (done) => {
      h.chown('/x', 0, 0, done);
    },
    (done) => {
      h.chmod('/x', 0, done);
    },
    (done) => {
      h.mknod('/x', 0, 0, done);
    },
    (done) => {
      h.setxattr('/x', 'user.a', empty, 0, 0, done);
    },
    (done) => {
      h.removexattr('/x', 'user.a', done);
    },
    (done) => {
      h.unlink('/x', done);
    },
    (done) => {
      h.rename('/x', '/y', done);
    },
    (done) => {
      h.link('/x', '/y', done);
    },
    (done) => {
      h.symlink('/x', '/y', done);
    },
    (done) => {
      h.mkdir('/x', 0, done);
    },
    (done) => {
      h.rmdir('/x', done);
    },
  ];
  for (const handler of calls)
    t.strictSame(
      await call((done) => {
        handler(done);
      }),
      [-EROFS],
    );
});
