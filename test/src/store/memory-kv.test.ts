import t from 'tap';
import { openMemoryKv } from '../../../src/store/memory-kv.js';
import { bytes, textOf } from '../../kit/bytes.js';

// What it shares with the others is in kv.test.ts.
t.test('it can begin with entries, and keeps copies of them', async (t) => {
  const value = bytes('1');
  const kv = openMemoryKv([
    [bytes('b'), bytes('2')],
    [bytes('a'), value],
  ]);
  value.fill('x');
  const found: string[] = [];
  for await (const [key, content] of kv.entries()) found.push(`${textOf(key)}=${textOf(content)}`);
  t.same(found, ['a=1', 'b=2']);
  t.equal(await kv.diskBytes(), 4);
  await kv.close();
});
