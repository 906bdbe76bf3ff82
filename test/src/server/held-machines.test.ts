import t from 'tap';
import { UmbraError } from '../../../src/common/errors.js';
import { silentLog } from '../../../src/common/log.js';
import type { PrunedShadowCopy } from '../../../src/protocol/policies-api.js';
import { forgetShadowCopies } from '../../../src/server/forget.js';
import { heldMachines } from '../../../src/server/held-machines.js';
import { SuddenChangeWatch, type ChangesLook } from '../../../src/server/sudden-change-watch.js';
import type { Listing } from '../../../src/store/catalog.js';
import { dailyWithSuddenChange, policyLab } from '../../kit/policy-lab.js';
import { RecordedAlerts } from '../../kit/recorded-alerts.js';
import { runUmbra } from '../../kit/run-umbra.js';

const ONE_DAY = 'default: a\npolicies: { a: { keep: { last: 1 } } }\n';

/** Once what was begun is done. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}

t.test('pruning passes over what is held, and goes on once it is acknowledged', async (t) => {
  const { store: content, service, serve } = await policyLab(t);
  const names = await dailyWithSuddenChange(content, 'web', 10);
  await service.apply({ text: ONE_DAY });
  const [newest = '', later = '', sudden = '', ...older] = names;
  const store = await serve();
  const umbra = (...words: readonly string[]): ReturnType<typeof runUmbra> => runUmbra(words, store);

  t.match(JSON.parse((await umbra('status', '--json')).stdout), {
    held: [{ machine: 'web', shadowCopy: sudden, kind: 'changed', volume: 'vda', heldShadowCopies: 8 }],
  });
  t.match(
    (await umbra('status')).stdout.replaceAll(/\s+/g, ' '),
    /SUDDEN CHANGE: 4.88 GiB of web with .*, mostly vda, usual: 20.0 MiB; 8 shadow copies kept until "umbra acknowledge web"/,
  );
  const dry = JSON.parse((await umbra('prune', '--dry-run', '--json')).stdout) as { shadowCopies: PrunedShadowCopy[] };
  const fates = new Map(dry.shadowCopies.map(({ shadowCopy, fate }) => [shadowCopy, fate]));
  t.same([fates.get(newest), fates.get(later), fates.get(sudden)], ['kept', 'deleted', 'skipped']);
  t.match(await umbra('prune'), {
    code: 0,
    stdout: /skipped {2}web@\S+ {2}web@\S+ is kept: too much had changed in web@/,
  });
  t.equal(content.catalog.shadowCopies('web').length, 9, 'what came behind it was not held');
  const forced = { shadowCopies: [{ machine: 'web', version: older[0] ?? '' }], dryRun: false, force: true };
  const { signal } = new AbortController();
  const forget = (listing: Listing): Promise<boolean> => content.forget(listing);
  await t.rejects(forgetShadowCopies(forced, { store: content, signal, forget }), { code: 'SHADOW_COPY_HELD' });

  t.match(await umbra('acknowledge', 'web'), { code: 0, stdout: /8 shadow copies may be deleted again/ });
  t.match(await umbra('acknowledge', 'web'), { code: 2, stderr: /nothing to acknowledge/ });
  t.match(content.settings.acknowledged, [{ by: 'the owner of the store' }]);
  t.match(await umbra('prune'), { code: 0, stdout: /deleted 8 shadow copies, 1 kept/ });
});

t.test('it is told until it is acknowledged, also by a server that comes later', async (t) => {
  const { store } = await policyLab(t);
  await dailyWithSuddenChange(store, 'web', 10);
  const alerts = new RecordedAlerts();
  let fails: Error | undefined;
  const look = (): Promise<ChangesLook> =>
    fails === undefined
      ? Promise.resolve({ machines: store.catalog.machines(), held: heldMachines(store) })
      : Promise.reject(fails);
  const warned: string[] = [];
  const log = { ...silentLog, warn: (message: string) => void warned.push(message) };
  const watch = new SuddenChangeWatch({ look, alerts, log });
  watch.look();
  watch.look();
  await settled();
  t.same(alerts.take(), ['begin sudden-change web']);
  t.match(alerts.active.get('sudden-change web'), {
    severity: 'critical',
    text: /4.88 GiB of web changed with .*, most of it in vda, where 20.0 MiB are usual; web@.* and what is older is not deleted/,
    facts: { machine: 'web', kind: 'changed', heldShadowCopies: 8 },
  });
  fails = new UmbraError('STORE_IN_USE', 'rebuilt');
  watch.look();
  await settled();
  t.same(warned, []);
  fails = new Error('broken');
  watch.look();
  await settled();
  t.same(warned, ['sudden changes are not looked at']);
  fails = undefined;
  await store.changes.acknowledge('web', 'anna');
  // Another server, which has not begun the alert.
  new SuddenChangeWatch({ look, alerts, log }).look();
  await settled();
  t.same(alerts.take(), ['end sudden-change web']);
});
