import t from 'tap';
import { startFakeServer } from '../../../kit/fake-store.js';
import { runUmbra } from '../../../kit/run-umbra.js';

t.test('the versions of a file', async (t) => {
  const { store } = await startFakeServer(t);
  const { code, stdout } = await runUmbra(['history', 'web1:/vda1/a\\x07'], store);
  t.equal(code, 0);
  t.match(stdout, /^web1:\/vda1\/a\\x07: 1 version in 3 shadow copies\nFIRST +LAST +COPIES +CHANGE/);
  t.match(stdout, /2026-11-20T10-15-00Z {2}2026-11-20T10-15-00Z +1 +not there\n/);
  t.match(stdout, /2026-11-21T10-15-00Z {2}2026-11-22T10-15-00Z +2 +appeared +-rw-r--r-- +5 B +2026-11-2/);
  const bad = await runUmbra(['history', 'bad:/vda1/a'], store);
  t.match(bad, { code: 5, stdout: /unreadable: inode 5/ });
  t.match(JSON.parse((await runUmbra(['history', 'web1:/vda1/a', '--json'], store)).stdout), {
    versions: [{ state: 'absent' }, { shadowCopies: { length: 2 } }],
  });
  t.match(await runUmbra(['history', 'web1@latest:/vda1/a'], store), { code: 2, stderr: /Say web1:\/vda1\/a/ });
});
