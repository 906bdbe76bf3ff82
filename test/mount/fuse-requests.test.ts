import { createRequire } from 'node:module';
import { constants } from 'node:os';
import t from 'tap';
import { answerAtOnce } from '../../mount/fuse-requests.js';
import type { Handlers } from '../../mount/handlers.js';
import { type Binding, loadBinding } from '../../src/system/fuse/binding.js';

/** A stand-in for the native half, which would want a thread that waits. */
function setUp(handlers: Partial<Handlers>) {
  const answers: unknown[][] = [];
  const signal =
    (name: string) =>
    (_request: Buffer, ...answer: unknown[]): void => {
      answers.push([name, ...answer.map((part) => (part instanceof Uint32Array ? [...part] : part))]);
    };
  const binding: Binding = {
    op_getattr: 0,
    op_open: 1,
    op_read: 2,
    op_release: 3,
    op_utimens: 4,
    sizeof_fuse_thread_t: 8,
    fuse_native_signal_getattr: signal('getattr'),
    fuse_native_signal_open: signal('open'),
    fuse_native_signal_read: signal('read'),
    fuse_native_signal_release: signal('release'),
    fuse_native_signal_utimens: signal('utimens'),
    fuse_native_mount: () => undefined,
  };
  const native: unknown[] = [];
  answerAtOnce(native, binding, () => handlers as Handlers);
  const ask = (operation: number, ...asked: unknown[]): void => {
    (native[operation] as ((...given: unknown[]) => void) | undefined)?.(Buffer.alloc(8), operation, ...asked);
  };
  return { answers, ask };
}

const ENOENT = -constants.errno.ENOENT;

t.test('the package has what is called here', async (t) => {
  const packages = createRequire(import.meta.url);
  packages('fuse-native');
  const binding = loadBinding(packages);
  for (const name of ['getattr', 'open', 'read', 'release', 'utimens'] as const) {
    t.type(binding[`op_${name}`], 'number', name);
    t.type(Reflect.get(binding, `fuse_native_signal_${name}`), 'function', name);
  }
});

t.test('what is asked is passed on, and the answer given at once', async (t) => {
  const seen: unknown[] = [];
  const { answers, ask } = setUp({
    getattr(path, done) {
      seen.push(path);
      if (path === '/none') {
        done(ENOENT);
        return;
      }
      const zeros = { uid: 0, gid: 0, rdev: 0, blksize: 0, blocks: 0, atime: 0, mtime: 0, ctime: 0 };
      done(0, { ...zeros, mode: 0o100600, size: 9, nlink: 1, ino: 12 });
    },
    open(path, flags, done) {
      seen.push([path, flags]);
      if (flags === 1) done(ENOENT);
      else done(0, 77);
    },
    read(path, handle, buffer, length, position, done) {
      seen.push([path, handle, length, position]);
      buffer[0] = 5;
      done(length);
    },
    release(path, handle, done) {
      seen.push([path, handle]);
      done(0);
    },
  });
  const buffer = Buffer.alloc(10);
  ask(0, '/f');
  ask(0, '/none');
  ask(1, '/f', 0);
  ask(1, '/f', 1);
  ask(2, '/f', 77, buffer, 10, 4, 2);
  ask(3, '/f', 77);
  t.strictSame(seen, ['/f', '/none', ['/f', 0], ['/f', 1], ['/f', 77, 10, 2 ** 33 + 4], ['/f', 77]]);
  t.strictSame(answers, [
    ['getattr', 0, [0o100600, 0, 0, 9, 0, 0, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]],
    ['getattr', ENOENT, [0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]],
    ['open', 0, 77],
    ['open', ENOENT, 0],
    ['read', 10, 0, buffer.buffer],
    ['release', 0],
  ]);
});
