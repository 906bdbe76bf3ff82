import { join } from 'node:path';
import t from 'tap';
import { runUmbra } from '../../../kit/run-umbra.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

void t.test('makes a store once', async (t) => {
  const store = join(temporaryDirectory(t), 'store');
  t.match(await runUmbra(['init', '--codec', 'lz4', '--level', '2', '--seed', 'A'.repeat(16)], store), {
    code: 0,
    stdout: `made the store ${store}\n`,
  });
  t.match(await runUmbra(['init', '--json'], store), { code: 12, stdout: /"STORE_EXISTS"/ });
  await runUmbra(['stop'], store);
});

void t.test('options have limits', async (t) => {
  for (const option of ['--codec=zip', '--level=0', '--level=x', '--seed=12', '--format=3']) {
    t.match(await runUmbra(['init', option], '/nowhere'), { code: 2 }, option);
  }
});
