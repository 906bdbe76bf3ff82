import t from 'tap';

import { changedBlocks, runsWhere, touches } from '../../../src/diff/changed-blocks.js';
import type { ChunkRef } from '../../../src/tree/node.js';

function chunk(firstBlock: number, blocks: number, name: number): ChunkRef {
  return { firstBlock, blocks, digest: new Uint8Array(32).fill(name) };
}

t.test('equal lists and holes', async (t) => {
  const chunks = [chunk(0, 4, 1), chunk(10, 2, 2)];
  t.same(changedBlocks(chunks, [...chunks]), []);
  t.same(changedBlocks([], []), []);
});

t.test('data against holes, at both edges of a region', async (t) => {
  const chunks = [chunk(0, 4, 1), chunk(4, 6, 2), chunk(1023, 1, 3)];
  const runs = [
    { firstBlock: 0, blocks: 10 },
    { firstBlock: 1023, blocks: 1 },
  ];
  t.same(changedBlocks(chunks, []), runs);
  t.same(changedBlocks([], chunks), runs);
});

t.test('another digest, another place, another length', async (t) => {
  t.same(changedBlocks([chunk(0, 4, 1), chunk(4, 4, 2)], [chunk(0, 4, 1), chunk(4, 4, 3)]), [
    { firstBlock: 4, blocks: 4 },
  ]);
  t.same(changedBlocks([chunk(0, 4, 1)], [chunk(1, 4, 1)]), [{ firstBlock: 0, blocks: 5 }]);
  t.same(changedBlocks([chunk(0, 8, 1)], [chunk(0, 4, 2), chunk(4, 4, 3)]), [{ firstBlock: 0, blocks: 8 }]);
});

t.test('runs and touching', async (t) => {
  t.same(
    runsWhere(2, 8, (block) => block !== 4),
    [
      { firstBlock: 2, blocks: 2 },
      { firstBlock: 5, blocks: 3 },
    ],
  );
  const runs = [{ firstBlock: 4, blocks: 2 }];
  t.same(
    [chunk(0, 4, 1), chunk(3, 2, 1), chunk(5, 9, 1), chunk(6, 1, 1)].map((each) => touches(each, runs)),
    [false, true, true, false],
  );
});
