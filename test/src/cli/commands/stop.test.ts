import t from 'tap';
import { ask, until } from '../../../kit/api-client.js';
import { startFakeServer } from '../../../kit/fake-store.js';
import { runUmbra } from '../../../kit/run-umbra.js';

void t.test('ends the server', async (t) => {
  const { store, server } = await startFakeServer(t);
  t.match(await runUmbra(['stop'], store), { code: 0, stdout: `stopped the server (process ${process.pid})\n` });
  await server.ended;
  t.match(await runUmbra(['stop'], store), { code: 0, stdout: `no server of the store ${store} is running\n` });
  t.same(JSON.parse((await runUmbra(['stop', '--json'], store)).stdout), { stopped: false });
});

void t.test('says what was ended with it', async (t) => {
  const { store } = await startFakeServer(t);
  for (const mountPoint of ['/m', '/stuck']) {
    await ask(store, 'POST', '/v1/mounts', { mountPoint, allowOther: false, leased: false });
  }
  const verify = ask(store, 'POST', '/v1/verify', { machine: 'slow' });
  await until(async () => (await runUmbra(['status'], store)).stdout.includes('verify'));
  const { stdout } = await runUmbra(['stop'], store);
  t.match(stdout, '1 operation was cancelled\nunmounted /m\n/stuck could not be unmounted');
  await verify;
});
