import t from 'tap';
import { DEFAULT_DOCUMENT } from '../../../src/policies/default-document.js';
import type { PrunedShadowCopy, PruneResult } from '../../../src/protocol/policies-api.js';
import { forgetShadowCopies } from '../../../src/server/forget.js';
import type { PolicyService } from '../../../src/server/policy-service.js';
import { Machines } from '../../../src/store/machines.js';
import { ask } from '../../kit/api-client.js';
import { daily, LAB_NOW_MS, policyLab } from '../../kit/policy-lab.js';
import { startRemoteServer } from '../../kit/remote-lab.js';
import { makeEmpty } from '../../kit/test-store.js';

const THREE_DAYS =
  'default: a\npolicies: { a: { keep: { daily: 3 } }, all: { keep: all } }\nmachines: { db: { policy: all } }\n';

interface Pruned {
  readonly items: readonly PrunedShadowCopy[];
  readonly result: PruneResult;
}

async function prune(service: PolicyService, machines?: readonly string[], dryRun = false): Promise<Pruned> {
  const items: PrunedShadowCopy[] = [];
  const emit = (more: readonly PrunedShadowCopy[]): Promise<void> => {
    items.push(...more);
    return Promise.resolve();
  };
  const request = { dryRun, ...(machines === undefined ? {} : { machines }) };
  const result = await service.prune(request, { signal: new AbortController().signal, emit });
  return { items, result };
}

t.test('what is not kept is deleted, and only that', async (t) => {
  const { store, service } = await policyLab(t);
  const names = await daily(store, 'web', 5);
  await daily(store, 'db', 5);
  await service.apply({ text: THREE_DAYS });
  const dry = await prune(service, undefined, true);
  t.same(dry.result, { dryRun: true, machines: 2, kept: 8, deleted: 2, skipped: 0 });
  t.equal(store.catalog.shadowCopies('web').length, 5, 'nothing is gone yet');
  const { items, result } = await prune(service);
  t.same(items, dry.items, 'what was said is what is done');
  t.same(result, { ...dry.result, dryRun: false });
  t.same(
    items
      .filter(({ machine }) => machine === 'web')
      .map(({ shadowCopy, fate, keptBy }) => [shadowCopy, fate, ...keptBy]),
    [
      [names[0], 'kept', 'daily 1/3'],
      [names[1], 'kept', 'daily 2/3'],
      [names[2], 'kept', 'daily 3/3'],
      [names[3], 'deleted'],
      [names[4], 'deleted'],
    ],
  );
  t.match(items[0], { machine: 'db', policy: 'all', fate: 'kept', keptBy: ['no rule deletes'] });
  t.same(
    store.catalog
      .shadowCopies('web')
      .map(({ name }) => name)
      .toReversed(),
    names.slice(0, 3),
  );
  t.equal((await prune(service)).result.deleted, 0, 'once more, there is nothing to do');
});

t.test('only the machines that are named', async (t) => {
  const { store, service } = await policyLab(t);
  await daily(store, 'web', 5);
  await daily(store, 'other', 5);
  await service.apply({ text: THREE_DAYS });
  t.same((await prune(service, ['web', 'web'])).result, {
    dryRun: false,
    machines: 1,
    kept: 3,
    deleted: 2,
    skipped: 0,
  });
  t.equal(store.catalog.shadowCopies('other').length, 5);
  await t.rejects(prune(service, ['web', 'none']), { code: 'NOT_FOUND' });
});

t.test('what is in use is passed over, and the last one stays', async (t) => {
  const { store, service } = await policyLab(t);
  const names = await daily(store, 'web', 5);
  await service.apply({ text: THREE_DAYS });
  const release = store.leases.take(store.catalog.find('web', names[4] ?? ''), 'a mount');
  const { items, result } = await prune(service);
  t.match(result, { deleted: 1, skipped: 1 });
  t.match(items[4], { shadowCopy: names[4], fate: 'skipped', reason: /is in use: a mount/ });
  release();
  t.match((await prune(service)).result, { deleted: 1, skipped: 0 });
});

t.test('while it runs, others may delete what was to stay: the last one is not deleted', async (t) => {
  const { store, service } = await policyLab(t, async (opened) => {
    const [, , newest] = opened.catalog.shadowCopies('web');
    if (newest !== undefined) await opened.forget(newest);
  });
  const names = await daily(store, 'web', 3);
  await service.apply({ text: 'default: a\npolicies: { a: { keep: { last: 1 } } }\n' });
  const { items } = await prune(service);
  t.match(items, [
    { fate: 'kept' },
    { fate: 'deleted' },
    { fate: 'skipped', reason: /no shadow copy of "web" would be left/ },
  ]);
  t.match(store.catalog.shadowCopies('web'), [{ name: names[2] }]);
});

t.test('what somebody else deletes meanwhile is not said to be deleted twice', async (t) => {
  const { store, service } = await policyLab(t);
  const names = await daily(store, 'web', 5);
  await service.apply({ text: THREE_DAYS });
  const prunes = await Promise.all([prune(service), prune(service)]);
  const deleted = prunes.flatMap(({ items }) => items.filter(({ fate }) => fate === 'deleted'));
  t.same(deleted.map(({ shadowCopy }) => shadowCopy).sort(), [...names].sort().slice(0, 2));
  t.equal(prunes[0].result.deleted + prunes[1].result.deleted, 2);
});

t.test('whoever deletes at once, one shadow copy stays', async (t) => {
  const { store, service } = await policyLab(t);
  await service.apply({ text: 'default: a\npolicies: { a: { keep: { last: 1 } } }\n' });
  const forget = (version: string, force = false): Promise<unknown> =>
    forgetShadowCopies(
      { shadowCopies: [{ machine: 'web', version }], dryRun: false, force },
      {
        store,
        signal: new AbortController().signal,
        forget: (listing, options) => store.forget(listing, options),
      },
    );
  const [newest = '', older = ''] = await daily(store, 'web', 2);
  const [forgotten, pruned] = await Promise.allSettled([forget(newest), prune(service)]);
  t.equal(store.catalog.shadowCopies('web').length, 1, 'a prune and a forget');
  t.match([forgotten.status, pruned.status], ['fulfilled', 'fulfilled']);
  t.match(pruned, { value: { items: [{}, { fate: 'skipped', reason: /no shadow copy of "web" would be left/ }] } });

  await makeEmpty(store, 'web', LAB_NOW_MS);
  const names = store.catalog.shadowCopies('web').map(({ name }) => name);
  t.same(names.includes(older), true);
  const ends = await Promise.allSettled(names.map((name) => forget(name)));
  t.equal(store.catalog.shadowCopies('web').length, 1, 'two forgets');
  t.match(
    ends.find(({ status }) => status === 'rejected'),
    { reason: { code: 'LAST_SHADOW_COPY', message: 'no shadow copy of "web" would be left', hint: /--force/ } },
  );
  await makeEmpty(store, 'web', LAB_NOW_MS + 1000);
  await Promise.all(store.catalog.shadowCopies('web').map(({ name }) => forget(name, true)));
  t.equal(store.catalog.shadowCopies('web').length, 0, 'unless somebody insists');
});

t.test('of several that are forgotten, one that somebody opens meanwhile', async (t) => {
  const { store } = await policyLab(t);
  const names = await daily(store, 'web', 3);
  const deleted: string[] = [];
  const request = { shadowCopies: names.map((version) => ({ machine: 'web', version })), dryRun: false, force: true };
  const parts = { store, signal: new AbortController().signal };
  const forgetting = forgetShadowCopies(request, {
    ...parts,
    forget: (listing, options) => {
      if (deleted.length === 1) store.leases.take(listing, 'a restore');
      return store.forget(listing, options);
    },
    deleted: (_machine, shadowCopy) => deleted.push(shadowCopy),
  });
  await t.rejects(forgetting, {
    code: 'SHADOW_COPY_OPEN',
    message: new RegExp(`a restore.*; deleted before that: web@${names[0]}$`),
  });
  t.same(deleted, names.slice(0, 1), 'and the server knows it');
  t.same(
    store.catalog
      .shadowCopies('web')
      .map(({ name }) => name)
      .toSorted(),
    names.slice(1).toSorted(),
  );
});

t.test('the one that was made last stays, also by a clock that went wrong', async (t) => {
  const { store, service } = await policyLab(t);
  await makeEmpty(store, 'web', LAB_NOW_MS + 365 * 86_400_000);
  await makeEmpty(store, 'web', LAB_NOW_MS - 7_200_000);
  const last = await makeEmpty(store, 'web', LAB_NOW_MS - 3_600_000);
  await service.apply({ text: 'default: a\npolicies: { a: { keep: { last: 1 } } }\n' });
  const { items } = await prune(service);
  t.same(items.map(({ shadowCopy, keptBy }) => [shadowCopy, keptBy]).slice(1), [
    [last, ['made last']],
    ['2026-11-29T06-00-00Z', []],
  ]);
});

t.test('what is too young is neither pruned nor forgotten, whoever asks and however', async (t) => {
  const { store, service, clock } = await policyLab(t);
  await service.apply({ text: 'default: a\npolicies: { a: { keep: { last: 1 }, minimumAge: 7d } }\n' });
  const names = await daily(store, 'web', 3);
  const dry = await prune(service, undefined, true);
  t.match(dry.result, { kept: 1, deleted: 0, skipped: 2 });
  t.match(dry.items[1], { fate: 'skipped', reason: /is protected until 2026-12-06 08:00 UTC/ });
  t.match((await prune(service)).result, { kept: 1, deleted: 0, skipped: 2 });
  const forget = (force: boolean): Promise<unknown> =>
    forgetShadowCopies(
      { shadowCopies: [{ machine: 'web', version: names[2] ?? '' }], dryRun: false, force },
      { store, signal: new AbortController().signal, forget: (listing, options) => store.forget(listing, options) },
    );
  await t.rejects(forget(false), { code: 'SHADOW_COPY_PROTECTED' });
  await t.rejects(forget(true), { code: 'SHADOW_COPY_PROTECTED' });
  clock.advance(7 * 86_400_000);
  t.match((await prune(service)).result, { kept: 1, deleted: 2, skipped: 0 });
});

t.test('a prune that is interrupted has deleted what it said', async (t) => {
  const { store, service } = await policyLab(t);
  await daily(store, 'web', 5);
  await service.apply({ text: THREE_DAYS });
  await t.rejects(service.prune({ dryRun: false }, { signal: AbortSignal.abort(), emit: () => Promise.resolve() }));
  t.equal(store.catalog.shadowCopies('web').length, 5);
});

t.test('over the API', async (t) => {
  const { store: data, serve } = await policyLab(t);
  await daily(data, 'web', 5);
  await new Machines(() => data).protect({ name: 'db', host: 'hv1', hostName: 'db', tracker: 'auto' });
  const store = await serve();
  const before = (await ask(store, 'GET', '/v1/policies')).body as { readonly digest: string };
  t.match(before, {
    text: DEFAULT_DOCUMENT,
    builtIn: true,
    default: 'standard',
    policies: [{ name: 'standard', shadowCopies: { kind: 'interval', everyMs: 14_400_000 }, keep: { daily: 7 } }],
    machines: [
      { machine: 'db', host: 'hv1', policy: 'standard', source: 'default' },
      { machine: 'web', policy: 'standard', source: 'default' },
    ],
    warnings: [],
  });
  const grouped = `${THREE_DAYS}groups: { g: { policy: a, machines: [web, wbe] } }\n`;
  const checked = await ask(store, 'POST', '/v1/policies/check', { text: grouped });
  t.match(checked.body, {
    machines: [{ source: 'machine' }, { machine: 'web', policy: 'a', source: 'group', sourceName: 'g' }],
    warnings: ['"groups.g" has wbe: there is no such machine yet.'],
  });
  t.match(await ask(store, 'POST', '/v1/policies', { text: 'a: 1', file: 'my.yaml' }), {
    status: 400,
    body: { error: { code: 'BAD_ARGUMENT', message: /^my\.yaml:1: "a" is not known/ } },
  });
  const preview = await ask(store, 'POST', '/v1/policies/preview', { text: grouped, machines: ['web'] });
  t.match((preview.body as unknown[]).at(-1), { result: { dryRun: true, kept: 3, deleted: 2 } });
  t.equal(data.settings.policies, undefined, 'nothing was applied yet');
  const applied = await ask(store, 'POST', '/v1/policies', { text: grouped, ifDigest: before.digest });
  t.match(applied, { status: 200, body: { text: grouped, builtIn: false } });
  t.match(await ask(store, 'POST', '/v1/policies', { text: THREE_DAYS, ifDigest: before.digest }), {
    body: { error: { code: 'POLICIES_CHANGED' } },
  });
  const pruned = await ask(store, 'POST', '/v1/prune', { dryRun: false });
  t.match((pruned.body as unknown[]).at(-1), { result: { dryRun: false, deleted: 2 } });
  t.equal(data.catalog.shadowCopies('web').length, 3);
  for (const bad of [{}, { dryRun: 1 }, { dryRun: true, machines: [] }, { dryRun: true, text: '' }]) {
    t.equal((await ask(store, 'POST', '/v1/prune', bad)).status, 400, JSON.stringify(bad));
  }
  t.equal((await ask(store, 'POST', '/v1/policies', { text: 'x'.repeat(70_000) })).status, 400);
});

t.test('agents neither see policies nor change them, nor delete by them', async (t) => {
  const { ask: askRemote, agent } = await startRemoteServer(t);
  const identity = await agent('hv1');
  const requests = [
    ['GET', '/v1/policies', undefined],
    ['POST', '/v1/policies', { text: THREE_DAYS }],
    ['POST', '/v1/policies/check', { text: THREE_DAYS }],
    ['POST', '/v1/policies/preview', { text: THREE_DAYS }],
    ['POST', '/v1/prune', { dryRun: true }],
  ] as const;
  for (const [method, path, body] of requests) {
    t.match(
      await askRemote(method, path, body, { identity }),
      { status: 403, body: { error: { code: 'FORBIDDEN' } } },
      path,
    );
  }
});
