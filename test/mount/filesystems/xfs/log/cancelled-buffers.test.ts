import t from 'tap';
import { CancelledBuffers } from '../../../../../mount/filesystems/xfs/log/cancelled-buffers.js';
import { Random } from '../../../../kit/random.js';

t.test('a buffer is cancelled as often as it was counted', (t) => {
  const random = new Random(1);
  const buffers = new CancelledBuffers();
  const expected = new Map<string, number>();
  const any = (): [number, number] => [random.below(40_000) * 2 ** 28, random.between(1, 256)];
  for (let step = 0; step < 200_000; step++) {
    const [block, blocks] = any();
    buffers.add(block, blocks);
    expected.set(`${block}:${blocks}`, (expected.get(`${block}:${blocks}`) ?? 0) + 1);
  }
  t.equal(buffers.size, expected.size);
  let wrong = 0;
  const compare = ([block, blocks]: [number, number]): void => {
    if (buffers.has(block, blocks) !== (expected.get(`${block}:${blocks}`) ?? 0) > 0) wrong++;
  };
  for (const key of [...expected.keys()].slice(0, 50_000)) {
    const [block = 0, blocks = 0] = key.split(':').map(Number);
    while (random.chance(0.7)) {
      buffers.take(block, blocks);
      expected.set(key, Math.max(0, (expected.get(key) ?? 0) - 1));
      compare([block, blocks]);
    }
    compare([block, blocks]);
    compare(any());
  }
  t.equal(wrong, 0);
  t.end();
});

t.test('what no volume has is nothing to remember', (t) => {
  const buffers = new CancelledBuffers();
  t.notOk(buffers.has(8, 8));
  buffers.add(8, 8);
  for (const [block, blocks] of [
    [8, 0],
    [8, -1],
    [7, 520],
    [2 ** 52, 8],
    [-1, 8],
  ] as const) {
    buffers.add(block, blocks);
    t.notOk(buffers.has(block, blocks));
    buffers.take(block, blocks);
  }
  t.equal(buffers.size, 1);
  t.ok(buffers.has(8, 8));
  t.end();
});

t.test('there is a most', (t) => {
  const buffers = new CancelledBuffers(100);
  for (let turn = 0; turn < 10; turn++) for (let block = 0; block < 100; block++) buffers.add(block, 8);
  t.equal(buffers.size, 100, 'the same ones again take nothing');
  buffers.add(100, 8);
  t.throws(() => buffers.has(0, 8), { code: 'FILESYSTEM_DAMAGED', message: /too many/ });
  t.end();
});
