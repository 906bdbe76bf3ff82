import t from 'tap';
import { startFakeServer } from '../../../kit/fake-store.js';
import { runUmbra, spawnUmbra } from '../../../kit/run-umbra.js';

t.test('the bytes as they are', async (t) => {
  const { store } = await startFakeServer(t);
  t.match(await runUmbra(['cat', 'web1:/vda1/a'], store), { code: 0, stdout: /^hello\n/ });
  t.match(await runUmbra(['cat', 'web1:/vda1/empty'], store), { code: 0, stdout: /^$/ });
  t.match(await spawnUmbra(['cat', 'web1:/vda1/a'], store).done, { code: 0, stdout: /^hello\n/ });
});

t.test('as JSON', async (t) => {
  const { store } = await startFakeServer(t);
  const bytes = Buffer.from('hello\n\xff', 'latin1');
  t.match(JSON.parse((await runUmbra(['cat', 'web1:/vda1/a', '--json'], store)).stdout), {
    machine: 'web1',
    path: '/vda1/a',
    shadowCopy: '2026-11-22T10-15-00Z',
    sizeBytes: 7,
    base64: bytes.toString('base64'),
  });
  t.match(JSON.parse((await runUmbra(['cat', 'web1:/vda1/empty', '--json'], store)).stdout), { base64: '' });
});

t.test('errors before and in the middle', async (t) => {
  const { store } = await startFakeServer(t);
  t.match(await runUmbra(['cat', 'web1:/vda1/none'], store), { code: 3, stdout: '', stderr: /there is no/ });
  const broken = await runUmbra(['cat', 'breaks:/vda1/a'], store);
  t.match(broken, { code: 5, stdout: /^hello/, stderr: /^umbra: chunk ü is damaged\nVerify.\n/ });
  t.match(await runUmbra(['cat', 'web1:/vda1/no\\x1b'], store), { code: 3, stderr: /there is no \/vda1\/no\\x1b\n/ });
  t.match(await runUmbra(['cat', 'web1'], store), { code: 2 });
  const interrupted = AbortSignal.abort();
  t.match(await runUmbra(['cat', 'web1:/vda1/a'], store, { interrupted }), { code: 130 });
});
