import { deflateRawSync } from 'node:zlib';
import t from 'tap';
import { SeededRandom } from '../../../scripts/benchmark/random.js';

t.test('the same seed gives the same bytes, another seed others', async (t) => {
  t.ok(new SeededRandom(5).bytes(1001).equals(new SeededRandom(5).bytes(1001)));
  t.notOk(new SeededRandom(5).bytes(1001).equals(new SeededRandom(6).bytes(1001)));
  t.equal(new SeededRandom(5).bytes(1001).length, 1001);
});

t.test('numbers stay below the limit and reach all of the range', async (t) => {
  const random = new SeededRandom(1);
  const counts = new Array<number>(10).fill(0);
  for (let draw = 0; draw < 10_000; draw += 1) {
    const value = random.below(10);
    counts[value] = (counts[value] ?? 0) + 1;
  }
  t.equal(counts.length, 10);
  t.ok(
    counts.every((count) => count > 800 && count < 1200),
    counts.join(' '),
  );
});

t.test('bytes do not compress and log lines do', async (t) => {
  const random = new SeededRandom(2);
  const bytes = random.bytes(100_000);
  t.ok(deflateRawSync(bytes).length > bytes.length * 0.99);
  const lines = random.logLines(100_000);
  t.ok(lines.length >= 100_000 && lines.length < 100_200);
  t.ok(lines.endsWith('\n'));
  t.ok(deflateRawSync(lines).length < lines.length / 2);
});
