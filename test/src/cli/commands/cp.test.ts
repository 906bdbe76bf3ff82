import t from 'tap';
import { startFakeServer } from '../../../kit/fake-store.js';
import { runUmbra } from '../../../kit/run-umbra.js';

t.test('a file and a directory', async (t) => {
  const { store } = await startFakeServer(t);
  const one = await runUmbra(['cp', 'web1:/vda1/a', 'x'], store);
  t.match(one, { code: 0, stdout: 'web1@2026-11-22T10-15-00Z:/vda1/a to /x: 1 file, 5 B in 0.1 s\n' });
  const many = await runUmbra(['cp', '-r', 'web1@latest:/vda1/a', 'x/', '--force'], store);
  t.match(many.stdout, 'to /x directory+recursive+force: 1 file, 2 directories, 5 B');
  t.match((await runUmbra(['cp', 'web1:/vda1/a', '.'], store)).stdout, 'to / directory:');
  for (const file of ['web1:/vda1/a/.', 'web1:/vda1/a/.//']) {
    const { stdout } = await runUmbra(['cp', '-r', file, 'x/'], store);
    t.match(stdout, '00Z:/vda1/a to /x recursive+contents:');
  }
  t.match((await runUmbra(['cp', 'web1:/vda1/a.', 'x'], store)).stdout, '/vda1/a. to /x:');
  t.match(JSON.parse((await runUmbra(['cp', 'web1:/vda1/a', '/x', '--json'], store)).stdout), { to: '/x', files: 1 });
});

t.test('what is not as it was', async (t) => {
  const { store } = await startFakeServer(t);
  const { code, stdout, stderr } = await runUmbra(['cp', 'bad:/vda1/a', '/x'], store);
  t.equal(code, 5);
  t.match(stdout, /: nothing, .* in 0\.1 s\n$/);
  t.match(stderr, /^umbra: \/vda1\/\\x1b1 cannot be read: damaged\n/);
  t.match(stderr, /and 10 more problems; --json lists up to 1,000\n$/);
  t.match(await runUmbra(['cp', 'full:/vda1/a', '/x'], store), { code: 8 });
  const owned = await runUmbra(['cp', '-r', 'bad:/vda1/a', '/x'], store);
  t.match(owned.stdout, /: 2 directories, .*\nOwners are not kept: that needs root\.\n$/);
});

t.test('mistakes are usage errors', async (t) => {
  for (const line of [['web1:/vda1/a'], ['web1', '/x'], ['web1:/vda1/a', '/x', '--recursiv']]) {
    t.match(await runUmbra(['cp', ...line], '/nowhere'), { code: 2 }, line.join(' '));
  }
});

t.test('what is so for many files is one line', async (t) => {
  const { store } = await startFakeServer(t);
  const { stderr } = await runUmbra(['cp', 'alike:/vda1/a', '/x'], store);
  t.equal(stderr, 'umbra: /vda1/b is not as in the guest: mode could not be set (and 3 more files likewise)\n');
});
