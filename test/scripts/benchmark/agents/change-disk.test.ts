import t from 'tap';
import { drawPieces, drawRuns, PIECE_BYTES, wholePieces } from '../../../../scripts/benchmark/agents/change-disk.js';
import { SeededRandom } from '../../../../scripts/benchmark/random.js';

const BLOCK_BYTES = 4096;

t.test('only pieces whose blocks are all of the file are changed', async (t) => {
  const blocksOf = (piece: number): number[] =>
    Array.from({ length: PIECE_BYTES / BLOCK_BYTES }, (_, block) => piece * PIECE_BYTES + block * BLOCK_BYTES);
  t.same(wholePieces([...blocksOf(3), ...blocksOf(5).slice(1), ...blocksOf(0)], BLOCK_BYTES).sort(), [
    0,
    3 * PIECE_BYTES,
  ]);
});

t.test('pieces are drawn once each, in order, the same for a seed', async (t) => {
  const candidates = Array.from({ length: 50 }, (_, piece) => piece * PIECE_BYTES);
  const drawn = drawPieces(candidates, 20, new SeededRandom(1));
  t.equal(new Set(drawn).size, 20);
  t.same(
    drawn,
    [...drawn].sort((a, b) => a - b),
  );
  t.same(drawn, drawPieces(candidates, 20, new SeededRandom(1)));
  t.same(drawPieces(candidates.slice(0, 3), 20, new SeededRandom(1)), candidates.slice(0, 3), 'all that there are');
});

t.test('runs lie within the disk, and are as long as they are to be', async (t) => {
  const drawn = drawRuns(1030, 40, 20, new SeededRandom(2));
  t.equal(new Set(drawn).size, 40);
  t.ok(drawn.every((offset) => offset < 1030 * PIECE_BYTES));
  t.equal(drawn.filter((offset) => !drawn.includes(offset - PIECE_BYTES)).length, 2, 'two runs');
  t.equal(drawRuns(1030, 1, 20, new SeededRandom(2)).length, 20, 'at least one');
});
