import t from 'tap';
import { BlockMap } from '../../../../mount/disk/map/block-map.js';
import { memorySource } from '../../../kit/filesystems/sources.js';

const BLOCK_BYTES = 4;

t.test('mapped blocks, others and zeros', async (t) => {
  const map = new BlockMap();
  for (const [block, target] of [
    [1, 5],
    [2, 6],
    [3, 0],
    [6, 1],
  ] as const)
    map.add(block, target);
  const mapped = memorySource(Buffer.from('....' + 'AAAA' + 'BBBB' + 'CCCC' + 'DDDD' + 'EEEE' + 'FFFF'), 'store');
  const others = memorySource(Buffer.from('0000111122223333444455'), 'origin');
  const volume = map.over(mapped, BLOCK_BYTES, 32, others);
  const bytes = Buffer.alloc(40, 1);
  t.equal(await volume.read(bytes, 0), 32);
  t.equal(bytes.toString('latin1', 0, 32), '0000EEEEFFFF....444455\0\0AAAA\0\0\0\0');
  t.same(volume.locate(2, 26), [
    { volume: 'origin', offset: 2, length: 2 },
    { volume: 'store', offset: 20, length: 8 },
    { volume: 'store', offset: 0, length: 4 },
    { volume: 'origin', offset: 16, length: 6 },
    { length: 2, offset: 0 },
    { volume: 'store', offset: 4, length: 4 },
  ]);
});

t.test('blocks must be in order, and not in too many pieces', async (t) => {
  const map = new BlockMap();
  map.add(3, 1);
  map.add(4, 2);
  t.throws(
    () => {
      map.add(4, 9);
    },
    { code: 'FILESYSTEM_DAMAGED', message: /not in order/ },
  );
  const many = new BlockMap();
  for (let block = 0; block < 2_000_000; block++) many.add(block, block * 2);
  t.throws(
    () => {
      many.add(2_000_000, 1);
    },
    { code: 'FILESYSTEM_UNREADABLE', hint: /in memory/ },
  );
});
