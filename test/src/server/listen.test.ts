import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { checkStoreOwner } from '../../../src/server/listen.js';
import { temporaryDirectory } from '../../kit/temporary.js';

void t.test("a store of one's own is fine, also one that is not there yet", async (t) => {
  const store = join(temporaryDirectory(t), 'store');
  checkStoreOwner(store);
  mkdirSync(store, { mode: 0o755 });
  checkStoreOwner(store);
  t.pass();
});

void t.test('a store of another user is refused', async (t) => {
  const geteuid = process.geteuid?.bind(process);
  t.teardown(() => Object.assign(process, { geteuid }));
  Object.assign(process, { geteuid: () => 4242 });
  t.throws(
    () => {
      checkStoreOwner(temporaryDirectory(t));
    },
    { code: 'NOT_OWNER', message: /not to 4242/ },
  );
});
