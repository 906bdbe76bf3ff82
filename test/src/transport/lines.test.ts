import { Readable } from 'node:stream';
import t from 'tap';
import { lines } from '../../../src/transport/lines.js';

async function linesOf(...parts: Buffer[]): Promise<string[]> {
  const found: string[] = [];
  for await (const line of lines(Readable.from(parts, { objectMode: false }))) found.push(line);
  return found;
}

void t.test('lines are cut wherever the parts are', async (t) => {
  const text = Buffer.from('ä\nbc\n\nd€');
  for (let cut = 0; cut <= text.length; cut += 1) {
    t.same(await linesOf(text.subarray(0, cut), text.subarray(cut)), ['ä', 'bc', '', 'd€'], `cut at ${cut}`);
  }
  t.same(await linesOf(), []);
  t.same(await linesOf(Buffer.from('a\n')), ['a']);
});
