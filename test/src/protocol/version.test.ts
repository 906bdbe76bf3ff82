import { readFileSync } from 'node:fs';
import t from 'tap';
import { VERSION } from '../../../src/protocol/version.js';

void t.test('the version is that of package.json', async (t) => {
  const text = readFileSync(new URL('../../../../package.json', import.meta.url), 'utf8');
  t.match(JSON.parse(text), { version: VERSION });
});
