import t from 'tap';
import { startFakeServer } from '../../../kit/fake-store.js';
import { runUmbra } from '../../../kit/run-umbra.js';

t.test('paths in one shadow copy, versions in all', async (t) => {
  const { store } = await startFakeServer(t);
  t.match(await runUmbra(['find', 'web1', '*.conf'], store), { code: 0, stdout: '/vda1/*.conf\\x07\n/vda1/d\n' });
  const line = ['find', 'web1', 'x', '-i', '--type', 'f', '--in', '2026-11-20T10-15-00Z'];
  t.match((await runUmbra(line, store)).stdout, /^\/vda1\/x-i-file\\x07\n/);
  const { stdout } = await runUmbra(['find', 'web1', 'x', '--all'], store);
  t.match(stdout, / {4}5 B, 2026-.*, in 3 shadow copies: 2026-11-20T10-15-00Z to 2026-11-22T10-15-00Z\n/);
  t.match(stdout, / {4}directory, 2026-.*, in 1 shadow copy: 2026-11-20T10-15-00Z\n/);
  t.match(JSON.parse((await runUmbra(['find', 'web1', 'x', '--json'], store)).stdout), { files: [{}, {}], found: 2 });
});

t.test('nothing, damage and mistakes', async (t) => {
  const { store } = await startFakeServer(t);
  t.match(await runUmbra(['find', 'web1', 'nothing'], store), { code: 0, stderr: 'nothing found in 1 shadow copy\n' });
  const bad = await runUmbra(['find', 'bad', 'x', '--all'], store);
  t.match(bad, { code: 5, stderr: /^umbra: \/vda1\/\\x07 in 2026-.* cannot be read: damaged\n.* and 49 more; --json/ });
  const luks = await runUmbra(['find', 'luks', 'x'], store);
  t.match(luks, { code: 0, stderr: /^umbra: \/vda2 in 2026-.* is not read: encrypted\n/ });
  const other = await runUmbra(['find', 'web1@latest', 'x'], '/nowhere');
  t.match(other, { code: 2, stderr: /"web1@latest" is a shadow copy.*\n.*Say web1 --in latest/ });
  for (const line of [
    ['web1'],
    ['web1', 'x', '--in', 'yesterday'],
    ['web1', 'x', '--in', 'latest', '--all'],
    ['web1', 'x', '--type', 'z'],
    ['we b', 'x'],
  ]) {
    t.match(await runUmbra(['find', ...line], '/nowhere'), { code: 2 }, line.join(' '));
  }
});
