import t from 'tap';
import { startFakeServer } from '../../../kit/fake-store.js';
import { runUmbra } from '../../../kit/run-umbra.js';

void t.test('says what was given back', async (t) => {
  const { store } = await startFakeServer(t);
  t.match(await runUmbra(['gc'], store), {
    code: 0,
    stdout: '10 objects of 1,000 objects deleted (1.00 GiB), 1.00 GiB given back in 0.5 s\n',
  });
  t.match(JSON.parse((await runUmbra(['gc', '--json'], store)).stdout), { deletedObjects: 10 });
});
