import t from 'tap';
import { startFakeServer } from '../../../kit/fake-store.js';
import { runUmbra } from '../../../kit/run-umbra.js';

void t.test('says what was found', async (t) => {
  const { store } = await startFakeServer(t);
  const { code, stdout } = await runUmbra(['rebuild'], store);
  t.equal(code, 0);
  t.equal(
    stdout,
    '1,000 objects and 5 shadow copies found in 1.0 s\n2 shadow copies stay deleted\n' +
      '1 object is damaged; run "umbra verify"\n3 blocks of objects are lost; run "umbra verify"\n',
  );
  t.match(JSON.parse((await runUmbra(['rebuild', '--json'], store)).stdout), { shadowCopies: 5 });
});
