import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseFilterSettings, startFilter } from '../../../agent/filter/start-filter.js';
import { temporaryDirectory } from '../../kit/temporary.js';

t.test('settings', async (t) => {
  const places = { directory: '/a', state: '/b' };
  t.match(parseFilterSettings(JSON.stringify(places)), { ...places, sideBytes: 4 * 1024 ** 3 });
  for (const wrong of [
    undefined,
    '{',
    '7',
    JSON.stringify({ ...places, directory: 'a' }),
    JSON.stringify({ directory: '/a' }),
    JSON.stringify({ ...places, sideBytes: -1 }),
    JSON.stringify({ ...places, allowOther: 'yes' }),
  ]) {
    t.throws(() => parseFilterSettings(wrong), { code: 'BAD_ARGUMENT' }, String(wrong));
  }
});

t.test('a program that ends without an answer', async (t) => {
  const directory = temporaryDirectory(t);
  const start = async (text: string): Promise<unknown> => {
    const program = join(directory, 'program.cjs');
    writeFileSync(program, text);
    return await startFilter({ program, directory: '/a', state: '/b' });
  };
  await t.rejects(start('console.error("why"); process.exit(3)'), { code: 'TRACKER_FAILED', message: /why/ });
  await t.rejects(start('require("fs").writeSync(3, "{}\\n")'), { code: 'TRACKER_FAILED' });
});
