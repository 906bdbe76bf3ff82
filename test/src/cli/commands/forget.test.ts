import t from 'tap';
import { startFakeServer } from '../../../kit/fake-store.js';
import { runUmbra } from '../../../kit/run-umbra.js';

const NAME = 'web1@2026-11-22T10-15-00Z';

void t.test('deletes what is named', async (t) => {
  const { store } = await startFakeServer(t);
  t.match(await runUmbra(['forget', NAME], store), { code: 0, stdout: `deleted 1 shadow copy:\n  ${NAME}\n` });
  t.match(await runUmbra(['forget', NAME, 'db@latest', '--dry-run'], store), {
    stdout: /^would delete 2 shadow copies:/,
  });
  t.match(JSON.parse((await runUmbra(['forget', NAME, '--json'], store)).stdout), {
    dryRun: false,
    forgotten: [Object],
  });
});

void t.test('a machine alone is not enough', async (t) => {
  t.match(await runUmbra(['forget', 'web1'], '/nowhere'), { code: 2, stderr: /MACHINE@VERSION/ });
  t.match(await runUmbra(['forget'], '/nowhere'), { code: 2 });
});
