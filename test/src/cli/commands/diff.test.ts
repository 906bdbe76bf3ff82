import t from 'tap';
import { startFakeServer } from '../../../kit/fake-store.js';
import { runUmbra } from '../../../kit/run-umbra.js';

void t.test('shows what differs', async (t) => {
  const { store } = await startFakeServer(t);
  const { code, stdout } = await runUmbra(['diff', 'web1@2026-11-22T10-15-00Z', 'web2'], store);
  t.equal(code, 0);
  t.match(stdout, /^from web1@2026-11-22T10-15-00Z to web2@latest\n/);
  t.match(stdout, 'vda: 100 KiB changed in 25 ranges, size 1.00 GiB -> 2.00 GiB\n');
  t.match(stdout, '... and 5 more ranges');
  t.match(stdout, 'vdb: the same\nvdc: added, 1.00 GiB\nvdd: removed, 1.00 GiB\n');
});

void t.test('JSON has every range', async (t) => {
  const { store } = await startFakeServer(t);
  const { stdout } = await runUmbra(['diff', 'web1', 'web1', '--exact', '--json'], store);
  const result: unknown = JSON.parse(stdout);
  t.match(result, { from: 'web1@latest', exact: true, volumes: [{ name: 'vda', changedBytes: 102400 }, {}, {}, {}] });
});

void t.test('two sides are needed', async (t) => {
  t.match(await runUmbra(['diff', 'web1'], '/nowhere'), { code: 2 });
});

void t.test('the files that differ', async (t) => {
  const { store } = await startFakeServer(t);
  const { code, stdout } = await runUmbra(['diff', 'web1@2026-11-22T10-15-00Z', 'web1', '--files'], store);
  t.equal(code, 0);
  t.equal(
    stdout,
    [
      'A /vda1/new\\x0a',
      'D /vda1/old/',
      'M /vda1/a (1.00 KiB -> 2.00 KiB)',
      'M /vda1/as-long',
      'M /vda1/acl (content, xattrs)',
      'm /vda1/b (mode, owner)',
      'R /vda1/c -> /vda1/d',
      'from web1@2026-11-22T10-15-00Z to web1@latest: 1 added (A), 1 removed (D), 1 changed (M), 1 with other metadata (m), 1 renamed (R)\n',
    ].join('\n'),
  );
  t.match((await runUmbra(['diff', 'same', 'same', '--files'], store)).stdout, /: the same files\n$/);
  t.match(await runUmbra(['diff', 'bad', 'bad', '--files'], store), { code: 5, stderr: /\/vda2 in .* cannot be read/ });
  t.match(JSON.parse((await runUmbra(['diff', 'web1', 'web1', '--files', '--json'], store)).stdout), {
    files: { length: 7 },
    added: 1,
  });
  t.match(await runUmbra(['diff', 'web1', 'web1', '--files', '--exact'], store), { code: 2 });
});
