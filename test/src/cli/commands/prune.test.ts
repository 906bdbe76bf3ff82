import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { daily, policyLab } from '../../../kit/policy-lab.js';
import { runUmbra } from '../../../kit/run-umbra.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

const TWO_DAYS = 'default: a\npolicies: { a: { keep: { daily: 2 } } }\n';

void t.test('says what is kept and why, and deletes the rest', async (t) => {
  const { store: data, service, serve } = await policyLab(t);
  const names = await daily(data, 'web', 4);
  await daily(data, 'db', 2);
  const store = await serve();
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'p.yaml'), TWO_DAYS);
  const umbra = (...words: readonly string[]): ReturnType<typeof runUmbra> => runUmbra(words, store, { directory });
  const dry = [
    `keep     web@${names[0]}  daily 1/2\n`,
    `keep     web@${names[1]}  daily 2/2\n`,
    `delete   web@${names[2]}\n`,
    `delete   web@${names[3]}\n`,
    'would delete 2 shadow copies, keep 2\n',
  ].join('');
  t.same((await umbra('prune', 'web', '--dry-run', '--policies', 'p.yaml')).stdout, dry);
  t.match(
    (await umbra('prune', '--dry-run')).stdout,
    /would delete 0 shadow copies, keep 6\n$/,
    'the built-in ones keep all',
  );
  await service.apply({ text: TWO_DAYS });
  t.match(JSON.parse((await umbra('prune', 'web', '--dry-run', '--json')).stdout), {
    shadowCopies: [{ fate: 'kept', keptBy: ['daily 1/2'] }, {}, { fate: 'deleted', keptBy: [] }, {}],
    dryRun: true,
    deleted: 2,
  });
  data.leases.take(data.catalog.find('web', names[3] ?? ''), 'a mount');
  t.same(await umbra('prune'), {
    code: 0,
    stdout: [
      `deleted  web@${names[2]}\n`,
      `skipped  web@${names[3]}  web@${names[3]} is in use: a mount\n`,
      'deleted 1 shadow copy, 4 kept, 1 passed over; "umbra gc" gives the space back\n',
    ].join(''),
    stderr: '',
  });
  t.equal(data.catalog.shadowCopies('web').length, 3);
  t.match(await umbra('prune', 'web', '--gc'), {
    code: 0,
    stdout: /^skipped .*\ndeleted 0 .*\n1\.00 GiB given back\n$/,
  });
});

void t.test('what can not be meant is refused', async (t) => {
  const { store: data, serve } = await policyLab(t);
  await daily(data, 'web', 1);
  const store = await serve();
  t.match(await runUmbra(['prune', 'none'], store), { code: 3 });
  t.match(await runUmbra(['prune', 'a/b'], store), { code: 2 });
  t.match(await runUmbra(['prune', '--policies', 'x'], store), { code: 2, stderr: /needs --dry-run/ });
  t.match(await runUmbra(['prune', '--gc', '--dry-run'], store), { code: 2, stderr: /exclude each other/ });
  t.match(await runUmbra(['prune', '--gc', '--json'], store), { code: 2, stderr: /umbra gc --json/ });
  t.match(await runUmbra(['prune', '--dry-run', '--policies', '/none'], store), { code: 2, stderr: /cannot be read/ });
});
