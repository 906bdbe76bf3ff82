import t from 'tap';
import { ByteBudget } from '../../../src/ingest/byte-budget.js';

t.test('who comes first has his turn first, and nobody goes before him', async (t) => {
  const budget = new ByteBudget(100);
  const order: string[] = [];
  const take = (name: string, bytes: number): Promise<void> => budget.take(bytes).then(() => void order.push(name));
  await take('a', 60);
  const waiting = [take('b', 50), take('c', 10)];
  await Promise.resolve();
  t.strictSame(order, ['a'], 'c would fit, but b waits');
  budget.giveBack(60);
  await Promise.all(waiting);
  t.strictSame(order, ['a', 'b', 'c']);
  const last = take('d', 41);
  budget.giveBack(0);
  t.strictSame(order, ['a', 'b', 'c'], 'there is no room yet');
  budget.giveBack(50);
  await last;
  t.equal(order.at(-1), 'd');
});
