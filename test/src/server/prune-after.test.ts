import t from 'tap';
import { UmbraError } from '../../../src/common/errors.js';
import type { PrunedShadowCopy } from '../../../src/protocol/policies-api.js';
import { pruneAfter, type PruneParts } from '../../../src/server/prune-after.js';

const { signal } = new AbortController();

function pruned(shadowCopy: string, fate: PrunedShadowCopy['fate']): PrunedShadowCopy {
  return { machine: 'web', shadowCopy, time: '2026-11-22T10:15:00.000Z', policy: 'a', keptBy: [], fate };
}

type Prune = (emit: (items: readonly PrunedShadowCopy[]) => Promise<void>) => Promise<void>;

/** Services that prune so; what is no longer looked into is noted. */
function servicesThat(prune: Prune): { services: PruneParts; forgotten: string[] } {
  const forgotten: string[] = [];
  const result = { dryRun: false, machines: 1, kept: 0, deleted: 0, skipped: 0 };
  const services: PruneParts = {
    engine: { policies: () => ({ prune: async (_request, { emit }) => (await prune(emit), result) }) },
    files: { forget: (machine, name) => void forgotten.push(`${machine}@${name}`) },
  };
  return { services, forgotten };
}

t.test('what was deleted is named, and nobody looks into it any more', async (t) => {
  const { services, forgotten } = servicesThat((emit) =>
    emit([
      pruned('k', 'kept'),
      pruned('s', 'skipped'),
      ...['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((n) => pruned(n, 'deleted')),
    ]),
  );
  t.same(await pruneAfter(services, 'web', signal), {
    deleted: 7,
    notes: ['deleted, as the policy does not keep it: a, b, c, d, e and 2 more'],
  });
  t.same(forgotten.length, 7);
});

t.test('the shadow copy is made whatever becomes of the others', async (t) => {
  const { services } = servicesThat(async (emit) => {
    await emit([pruned('a', 'deleted')]);
    throw new UmbraError('STORE_FULL', 'the disk is full');
  });
  t.same(await pruneAfter(services, 'web', signal), {
    deleted: 1,
    notes: [
      'deleted, as the policy does not keep it: a',
      'not all was deleted that the policy does not keep: the disk is full',
    ],
  });
  const { services: quiet } = servicesThat(() => Promise.resolve());
  t.same(await pruneAfter(quiet, 'web', signal), { deleted: 0, notes: [] });
  const { services: broken } = servicesThat(() => Promise.reject(new TypeError('a defect')));
  await t.rejects(pruneAfter(broken, 'web', signal), TypeError);
});
