import t from 'tap';
import { startFakeServer } from '../../../kit/fake-store.js';
import { runUmbra } from '../../../kit/run-umbra.js';

void t.test('an empty store says how to begin', async (t) => {
  const { store } = await startFakeServer(t);
  t.match(await runUmbra(['list'], store), { code: 0, stdout: /umbra backup MACHINE IMAGE/, stderr: '' });
  t.same(JSON.parse((await runUmbra(['list', '--json'], store)).stdout), []);
});

void t.test('lists shadow copies', async (t) => {
  const { store } = await startFakeServer(t);
  await runUmbra(['backup', 'web1', 'a.raw'], store);
  await runUmbra(['backup', 'db', 'a.raw'], store);
  const { code, stdout } = await runUmbra(['list'], store);
  t.equal(code, 0);
  t.match(
    stdout,
    /^MACHINE {2}SHADOW COPY {11}TIME .* CONSISTENCY {2}TRACKER {2}PAUSE {6}SIZE {2}VOLUMES\nweb1 {5}2026-11-22T10-15-00Z .* offline {6}scan {6}0 ms {2}2.00 GiB {2}vda\n/,
  );
  const json: unknown = JSON.parse((await runUmbra(['list', 'db', '--json'], store)).stdout);
  const volumes = [{ name: 'vda', sizeBytes: 2 * 1024 ** 3, root: '0'.repeat(64) }];
  t.same(json, [
    {
      machine: 'db',
      shadowCopy: '2026-11-22T10-15-00Z',
      time: '2026-11-22T10:15:00.000Z',
      consistency: 'offline',
      tracker: 'scan',
      pauseMs: 0,
      volumes,
    },
  ]);
});

void t.test('a server that knows of no replicas has its shadow copies listed', async (t) => {
  const { store } = await startFakeServer(t);
  for (const machine of ['old', 'dead']) await runUmbra(['backup', machine, 'a.raw'], store);
  t.match(await runUmbra(['list', 'old'], store), { code: 0, stdout: /^MACHINE.*\nold .*\n$/ });
  t.match(await runUmbra(['list', 'dead'], store), { stderr: /the disk is broken/ });
  t.match(await runUmbra(['list', '--replicas', 'old'], store), { code: 3 });
});

void t.test('a machine that is not there', async (t) => {
  const { store } = await startFakeServer(t);
  const { code, stdout, stderr } = await runUmbra(['list', 'none', '--json'], store);
  t.equal(code, 3);
  t.same(JSON.parse(stdout), { error: { code: 'NOT_FOUND', message: 'there is no machine none' } });
  t.equal(stderr, 'umbra: there is no machine none\n');
  t.match(await runUmbra(['list', '../x'], store), { code: 2, stdout: '' });
});
