import t from 'tap';
import { startFakeServer } from '../../../kit/fake-store.js';
import { runUmbra } from '../../../kit/run-umbra.js';

void t.test('one volume', async (t) => {
  const { store } = await startFakeServer(t);
  const { code, stdout } = await runUmbra(['restore', 'web1', '--volume', 'vda', '--to', 'x.raw'], store);
  t.equal(code, 0);
  t.equal(
    stdout,
    'web1@2026-11-22T10-15-00Z restored in 2.0 s\n  vda to /x.raw: 2.00 GiB, 2 blocks differed and were written (8.00 KiB)\n',
  );
});

void t.test('everything', async (t) => {
  const { store } = await startFakeServer(t);
  const { stdout } = await runUmbra(['restore', 'web1@latest', '--to', '/r'], store);
  t.match(stdout, / {2}vda to \/r\/vda.raw: 2.00 GiB, 8.00 KiB written\n {2}\/r\/config\/vm.xml\n/);
  t.match(JSON.parse((await runUmbra(['restore', 'web1', '--to', '/r', '--json'], store)).stdout), {
    machine: 'web1',
    volumes: [{ name: 'vda', writtenBlocks: 2 }],
    config: ['/r/config/vm.xml'],
  });
});

void t.test('mistakes are usage errors', async (t) => {
  for (const line of [['web1'], ['web1@yesterday', '--to', 'x'], ['web1', '--to', 'x', '--volume', 'a/b']]) {
    t.match(await runUmbra(['restore', ...line], '/nowhere'), { code: 2 }, line.join(' '));
  }
});
