import { resolve } from 'node:path';
import t from 'tap';
import { backupImages } from '../../../src/cli/backup-images.js';

const absolute = (path: string): string => resolve('/here', path);
const images = (positional: string[], names: string[]): unknown => backupImages(positional, names, undefined, absolute);

void t.test('a name names an image that is given, or adds it', async (t) => {
  t.same(images(['a.raw', '/b.raw'], []), [{ path: '/here/a.raw' }, { path: '/b.raw' }]);
  t.same(images(['a.raw', 'b.raw'], ['data=./b.raw']), [
    { path: '/here/a.raw' },
    { path: '/here/b.raw', name: 'data' },
  ]);
  t.same(images([], ['vda=a=b.raw']), [{ path: '/here/a=b.raw', name: 'vda' }]);
  t.same(images(['a.raw'], ['x=c.raw']), [{ path: '/here/a.raw' }, { path: '/here/c.raw', name: 'x' }]);
});

void t.test('the format is that of every image', async (t) => {
  t.same(backupImages(['a'], [], 'qcow2', absolute), [{ path: '/here/a', format: 'qcow2' }]);
});

void t.test('what makes no sense is refused', async (t) => {
  t.throws(() => images([], []), { message: 'no disk image is given' });
  t.throws(() => images(['a', './a'], []), { message: 'an image is given twice' });
  t.throws(() => images([], ['vda=a', 'vda=b']), { message: 'two images are to be the volume vda' });
  t.throws(() => images([], ['vda=a', 'vdb=a']), { message: 'a is given two names' });
  for (const name of ['vda', '=a', 'vda=']) t.throws(() => images([], [name]), { message: /must be VOLUME=IMAGE/ });
  t.throws(() => images([], ['a/b=c']), { code: 'BAD_NAME' });
});
