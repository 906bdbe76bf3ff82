import t from 'tap';
import { until } from '../../../kit/api-client.js';
import { startFakeServer } from '../../../kit/fake-store.js';
import { runUmbra } from '../../../kit/run-umbra.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

void t.test('in the background', async (t) => {
  const { store } = await startFakeServer(t);
  const point = temporaryDirectory(t);
  t.match(await runUmbra(['mount', point, '--background', '--only', 'web1@latest'], store), {
    code: 0,
    stdout: `mounted at ${point}; "umbra unmount ${point}" ends it\n`,
  });
  t.match(JSON.parse((await runUmbra(['status', '--json'], store)).stdout), {
    mounts: [{ mountPoint: point, machine: 'web1', version: 'latest' }],
  });
  t.match(await runUmbra(['unmount', point, '--json'], store), { code: 0, stdout: /"mountPoint"/ });
});

void t.test('in the foreground, until it is interrupted', async (t) => {
  const { store } = await startFakeServer(t);
  const point = temporaryDirectory(t);
  const abort = new AbortController();
  const running = runUmbra(['mount', point, '--json'], store, { interrupted: abort.signal });
  const mounts = async (): Promise<string> => (await runUmbra(['status'], store)).stdout;
  await until(async () => (await mounts()).includes(point));
  await new Promise((resolve) => setTimeout(resolve, 50));
  abort.abort();
  const { code, stdout, stderr } = await running;
  t.same([code, stderr], [0, `unmounted ${point}\n`]);
  t.same(JSON.parse(stdout), { mountPoint: point });
  t.match(await mounts(), 'nothing is mounted');
});

void t.test('in the foreground, until another command ends it', async (t) => {
  const { store } = await startFakeServer(t);
  const point = temporaryDirectory(t);
  const running = runUmbra(['mount', point], store);
  await until(async () => (await runUmbra(['unmount', point], store)).code === 0);
  t.match(await running, { code: 0, stderr: `unmounted ${point}\n` });
  const again = runUmbra(['mount', point], store);
  await until(async () => (await runUmbra(['status'], store)).stdout.includes(point));
  await runUmbra(['stop'], store);
  t.match(await again, { code: 0, stderr: `the server was stopped: unmounted ${point}\n` });
});

void t.test('what cannot be mounted', async (t) => {
  const { store } = await startFakeServer(t);
  t.match(await runUmbra(['mount', '/m', '--only', 'missing'], store), { code: 3 });
  t.match(await runUmbra(['mount', '/m', '--only', 'web1@x'], store), { code: 2 });
  t.match(await runUmbra(['mount', '/does/not/exist', '--background'], store), { code: 9, stderr: /does not answer/ });
});
