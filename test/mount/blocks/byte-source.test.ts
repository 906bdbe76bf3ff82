import t from 'tap';
import { readExactly, WindowSource } from '../../../mount/blocks/byte-source.js';
import { memorySource } from '../../kit/filesystems/sources.js';

const BYTES = Buffer.from('0123456789');

t.test('a window reads its part only', async (t) => {
  const window = new WindowSource(memorySource(BYTES), 3, 4);
  t.equal(window.sizeBytes, 4);
  const target = Buffer.alloc(6, '.');
  t.equal(await window.read(target, 1), 3);
  t.equal(target.toString(), '456...');
  t.equal(await window.read(target, 4), 0);
  t.equal(await window.read(target, -1), 0);
  t.same(window.locate(1, 2), [{ volume: 'vda', offset: 4, length: 2 }]);
});

t.test('a window ends where its source ends', async (t) => {
  t.equal(new WindowSource(memorySource(BYTES), 8, 100).sizeBytes, 2);
  t.equal(new WindowSource(memorySource(BYTES), 80, 100).sizeBytes, 0);
  t.equal(new WindowSource(memorySource(BYTES), -5, 3).sizeBytes, 3);
});

t.test('exactly so many bytes, or an error', async (t) => {
  const source = memorySource(BYTES);
  t.equal((await readExactly(source, 2, 3)).toString(), '234');
  const wrong = [
    [8, 3],
    [-1, 2],
    [Number.NaN, 1],
  ] as const;
  for (const [offset, length] of wrong) {
    await t.rejects(readExactly(source, offset, length), { code: 'FILESYSTEM_DAMAGED' });
  }
  await t.rejects(readExactly({ ...source, read: () => 1 }, 0, 2), { code: 'FILESYSTEM_DAMAGED' });
});
