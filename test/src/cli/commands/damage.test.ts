import t from 'tap';
import { until } from '../../../kit/api-client.js';
import { startFakeServer } from '../../../kit/fake-store.js';
import { runUmbra } from '../../../kit/run-umbra.js';

t.test('umbra scrub says how far it is', async (t) => {
  const { store } = await startFakeServer(t);
  const shown = await runUmbra(['scrub'], store);
  t.match(shown, { code: 0, stdout: /reads by itself: +no: "umbra serve" does\n.*never read.*damaged: +nothing\n/s });
  const json = await runUmbra(['scrub', '--json'], store);
  t.match(JSON.parse(json.stdout), { isRunning: false, days: 0, unreadObjects: 1, damagedObjects: 0 });
});

t.test('umbra damage names objects, places and files, and what to do', async (t) => {
  const { store } = await startFakeServer(t);
  t.match(await runUmbra(['damage'], store), { code: 0, stdout: 'nothing is known to be damaged\n' });
  const { code, stdout } = await runUmbra(['damage', 'bad'], store);
  t.equal(code, 5);
  t.match(stdout, /^2 objects are damaged\n {2}chunk (ab)+: its checksum is wrong \(found /);
  t.match(stdout, /bad +vda +4096 +8192 +2: 2026-11-21T10-15-00Z … 2026-11-22T10-15-00Z +abab/);
  t.match(stdout, /bad:\/vda1\/etc\/fstab\\x1b +4096 +2026-11-22T10-15-00Z\n/);
  t.match(stdout, /There may be further files in 1 shadow copy: bad@2026-11-21T10-15-00Z/);
  t.match(stdout, /bad@2026-11-22T10-15-00Z:\/vda1\/srv and what is below: a node is damaged\n/);
  t.match(stdout, /Back up bad again.\n$/);
  const json = await runUmbra(['damage', 'bad@latest', '--json'], store);
  t.match(JSON.parse(json.stdout), { objectCount: 2, places: [{ isInNewest: true }], files: [{ damagedBytes: 4096 }] });
});

t.test('umbra status and umbra stats of a server that reads by itself say how far it is', async (t) => {
  const { store } = await startFakeServer(t, { scrubDays: 30 });
  await until(async () => (await runUmbra(['status'], store)).stdout.includes('scrub:'));
  for (const command of ['status', 'stats']) {
    const shown = await runUmbra([command], store);
    t.match(
      shown.stdout,
      /\nscrub: +1 object was never read since stored, for 0 days at most; this pass 0 %, ends about /,
    );
    const { scrub } = JSON.parse((await runUmbra([command, '--json'], store)).stdout) as { scrub: unknown };
    t.match(scrub, { days: 30, isLate: false, isEstimate: true, unreadObjects: 1 });
  }
});
