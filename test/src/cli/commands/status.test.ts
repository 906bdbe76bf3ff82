import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ask, until } from '../../../kit/api-client.js';
import { startFakeServer } from '../../../kit/fake-store.js';
import { runUmbra } from '../../../kit/run-umbra.js';

void t.test('shows the server, its mounts and jobs', async (t) => {
  const { store } = await startFakeServer(t);
  writeFileSync(join(store, 'space'), '');
  await ask(store, 'POST', '/v1/mounts', { mountPoint: '/m', machine: 'web1', allowOther: false, leased: false });
  const abort = new AbortController();
  const verify = ask(store, 'POST', '/v1/verify', { machine: 'slow' }, { signal: abort.signal });
  verify.catch(() => undefined);
  await until(async () => (await runUmbra(['status'], store)).stdout.includes('verify'));
  const { code, stdout } = await runUmbra(['status'], store);
  t.equal(code, 0);
  t.match(
    stdout,
    /server: process \d+, version 0.1.0, since .*\nroom: {3}3.00 GiB of 12.0 GiB are free, for 12 days as it went until now;\s+below 128 MiB no shadow copies are made\nMOUNT POINT {2}SHOWS\n\/m {11}web1\nJOB {2}KIND .*\n2 {4}verify {2}slow/,
  );
  t.match(JSON.parse((await runUmbra(['status', '--json'], store)).stdout), {
    store,
    mounts: [{ mountPoint: '/m', machine: 'web1' }],
    jobs: [{ kind: 'verify', what: 'slow' }],
  });
  abort.abort();
});

void t.test('starts no server', async (t) => {
  const { store, server } = await startFakeServer(t);
  await server.stop();
  await server.ended;
  const { code, stdout } = await runUmbra(['status', '--json'], store);
  t.equal(code, 11);
  t.match(JSON.parse(stdout), {
    error: { code: 'SERVER_UNREACHABLE', message: `no server of the store ${store} is running` },
  });
  t.match(await runUmbra(['status'], '/nowhere'), { code: 3 });
});
