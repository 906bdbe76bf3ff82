import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { startFakeServer } from '../../../kit/fake-store.js';
import { runUmbra } from '../../../kit/run-umbra.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

void t.test('what is in use needs force', async (t) => {
  const { store } = await startFakeServer(t);
  const point = join(temporaryDirectory(t), 'busy');
  mkdirSync(point);
  await runUmbra(['mount', point, '--background'], store);
  t.match(await runUmbra(['unmount', point], store), { code: 9, stderr: /is in use/ });
  t.match(await runUmbra(['unmount', point, '--force'], store), { code: 0, stdout: `unmounted ${point}\n` });
});

void t.test('where nothing is mounted', async (t) => {
  const { store, server } = await startFakeServer(t);
  t.match(await runUmbra(['unmount', '/m'], store), { code: 9, stderr: /nothing of Umbra is mounted at \/m/ });
  await server.stop();
  await server.ended;
  t.match(
    await runUmbra(['unmount', '/m'], store),
    { code: 9, stderr: /nothing of Umbra is mounted at \/m/ },
    'without a server',
  );
  t.match(await runUmbra(['unmount', '/m'], '/nowhere'), { code: 9 }, 'without a store');
});
