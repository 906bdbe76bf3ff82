import t from 'tap';
import { startFakeServer } from '../../../kit/fake-store.js';
import { runUmbra } from '../../../kit/run-umbra.js';

void t.test('writes an image', async (t) => {
  const { store } = await startFakeServer(t);
  const line = ['export', 'web1', '--volume', 'vda', '--to', 'x.qcow2'];
  t.match(await runUmbra(line, store), {
    code: 0,
    stdout: 'web1@2026-11-22T10-15-00Z vda exported to /x.qcow2 in 3.0 s: 2.00 GiB, 1.00 GiB in the file\n',
  });
  t.match(JSON.parse((await runUmbra([...line, '--json'], store)).stdout), { to: '/x.qcow2', volume: 'vda' });
});

void t.test('only qcow2', async (t) => {
  const { code, stderr } = await runUmbra(['export', 'web1', '--volume', 'vda', '--to', 'x.raw'], '/nowhere');
  t.equal(code, 2);
  t.match(stderr, 'umbra restore');
});
