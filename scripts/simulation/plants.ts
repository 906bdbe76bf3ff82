import { MetaPrefix, ObjectType } from '../../src/codec/formats.js';
import { isUmbraError } from '../../src/common/errors.js';
import type { Policy } from '../../src/policies/policy.js';
import type { WireFrame } from '../../src/protocol/frames.js';
import type { Job } from '../../src/scheduler/job.js';
import type { Planning } from '../../src/server/planning.js';
import { readSequence } from '../../src/store/index-entries.js';
import { digestKey, highWaterKey, objectKey, prefixRange } from '../../src/store/keys.js';
import { kvWith } from '../../test/kit/kv-with.js';
import type { Plant, Planting, Soil } from './planting.js';

const HOUR_MS = 3_600_000;
const SEVERAL = 9;

/** Defects that are planted from outside, to see that a run finds them: nothing of the product is changed for it. */
export const PLANTS = {
  'prune-keeps-too-few': {
    what: 'pruning deletes one more than rules say',
    breaks: ['pruned as in the model', 'minimum age'],
    pruned: async (machines, { store, forget }) => {
      for (const machine of machines) {
        const [oldest, ...others] = store.catalog.shadowCopies(machine);
        if (oldest !== undefined && others.length > 0) await forget(oldest).catch(unlessRefused);
      }
    },
  },
  'minimum-age-ignored': {
    what: 'nobody looks at minimum ages',
    breaks: ['minimum age'],
    store: (store) => {
      store.assertUnprotected = () => Promise.resolve();
    },
  },
  'acknowledged-unsynced': {
    what: 'writes are acknowledged before they are synced',
    breaks: ['listed as in the model', 'index points at objects', 'exact bytes', 'opens after each end'],
    databases: ({ objects, meta }) => ({
      objects: kvWith(objects, { write: (operations) => objects.write(operations, { sync: false }) }),
      meta: kvWith(meta, { write: (operations) => meta.write(operations, { sync: false }) }),
    }),
  },
  'index-before-objects': {
    what: 'objects are written, and not synced before the index has them',
    breaks: ['index points at objects', 'exact bytes'],
    databases: ({ objects, meta }) => ({
      meta,
      objects: kvWith(objects, {
        write: (operations) => objects.write(operations, { sync: false }),
        flush: () => Promise.resolve(),
      }),
    }),
  },
  'sequence-reused': {
    what: 'nobody remembers which sequence numbers were used',
    breaks: ['sequence numbers once'],
    databases: ({ objects, meta }) => ({
      objects,
      meta: kvWith(meta, {
        get: async (key) => (Buffer.compare(key, highWaterKey) === 0 ? undefined : await meta.get(key)),
      }),
    }),
  },
  'damage-built-upon': {
    what: 'what is known to be damaged is not read again',
    breaks: ['damage heals'],
    store: ({ objectStore: { survey } }) => {
      survey.regionsToReread = () => Promise.resolve(new Set());
    },
  },
  'missed-run-lost': {
    what: 'what was due while no server was there is not made up',
    breaks: ['made within its bound', 'replicated within its bound'],
    planning: (planning, clock) => {
      const startedMs = clock.now();
      const { jobs } = planning;
      const ran = (job: Job): Job => ({ ...job, beganMs: Math.max(job.beganMs ?? 0, startedMs) });
      return { ...planning, jobs: { ...jobs, all: async () => (await jobs.all()).map(ran) } };
    },
  },
  'run-too-soon': {
    what: 'runs come every hour',
    breaks: ['made only when due'],
    planning: withPolicy((policy) => ({ ...policy, shadowCopies: { kind: 'interval', everyMs: HOUR_MS } })),
  },
  'quiet-window-ignored': {
    what: 'runs begin in quiet windows',
    breaks: ['quiet windows'],
    planning: withPolicy((policy) => ({ ...policy, quiet: [] })),
  },
  'host-overloaded': {
    what: 'no host has a limit',
    breaks: ['limit of a host'],
    planning: (planning) => ({ ...planning, limitsOf: () => ({ concurrent: SEVERAL }) }),
  },
  'breach-untold': {
    what: 'breaches of data loss are told when they are ten times as bad',
    breaks: ['data loss watched', 'ages as in the model'],
    planning: withPolicy((policy) => ({ ...policy, dataLossMs: 10 * policy.dataLossMs })),
  },
  'collects-too-much': {
    what: 'a collection frees a chunk that is still used',
    breaks: ['exact bytes', 'exact bytes of replicas', 'nothing unreferenced, nothing missing', 'damage heals'],
    collect: async (collect, soil) => {
      await collect();
      await freeOne(soil);
    },
  },
  'collects-nothing': {
    what: 'a collection frees nothing',
    breaks: ['nothing unreferenced, nothing missing'],
    collect: () => Promise.resolve(),
  },
  'replications-missed': {
    what: 'nothing is replicated between shadow copies',
    breaks: ['replicated within its bound'],
    planning: withPolicy(({ replicate: _, ...policy }) => policy),
  },
  'replicas-uncounted': {
    what: 'data loss is told by shadow copies alone',
    breaks: ['data loss watched', 'ages as in the model'],
    planning: (planning) => ({ ...planning, upToDate: (machine) => planning.latest(machine) }),
  },
  'replica-collected': {
    what: 'a collection frees what replicas need',
    breaks: [
      'exact bytes of replicas',
      'exact bytes',
      'nothing unreferenced, nothing missing',
      'index points at objects',
      'damage heals',
      // A shadow copy is made at once to heal damage of which the model knows nothing.
      'made only when due',
    ],
    collect: async (collect, { store: { catalog } }) => {
      const replicas = catalog.replicas.bind(catalog);
      catalog.replicas = () => [];
      await collect().finally(() => {
        catalog.replicas = replicas;
      });
    },
  },
  'leases-ignored': {
    what: 'a collection frees replicas that were replaced, and that somebody reads',
    breaks: ['exact bytes of replicas'],
    store: ({ leases }) => {
      leases.listings = () => [];
    },
  },
  'region-lost': {
    what: 'of what agents send now and then a region is lost',
    breaks: ['exact bytes'],
    frames: losingRegions,
  },
} as const satisfies Readonly<Record<string, Plant>>;

export type PlantName = keyof typeof PLANTS;

export function isPlantName(name: string): name is PlantName {
  return Object.hasOwn(PLANTS, name);
}

/** A scheduler sees other policies than those that hold; each is the same one every time. */
function withPolicy(change: (policy: Policy) => Policy): Required<Planting>['planning'] {
  return (planning): Planning => {
    const changed = new WeakMap<Policy, Policy>();
    const policyOf = (machine: string): Policy => {
      const policy = planning.policyOf(machine);
      const known = changed.get(policy) ?? change(policy);
      changed.set(policy, known);
      return known;
    };
    return { ...planning, policyOf };
  };
}

async function freeOne({ store, databases: { objects, meta } }: Soil): Promise<void> {
  const { gte, lt } = prefixRange(MetaPrefix.digest);
  for await (const [key, value] of meta.entries({ gte, lt })) {
    const sequence = readSequence(key, value);
    if (key[1] !== ObjectType.chunk || sequence === undefined || sequence >= store.objectStore.log.nextSequence)
      continue;
    await meta.write([{ type: 'del', key: digestKey(ObjectType.chunk, key.subarray(2)) }], { sync: true });
    await objects.write([{ type: 'del', key: objectKey(sequence) }], { sync: true });
    return;
  }
}

function losingRegions(frames: AsyncIterator<WireFrame, void>): AsyncIterator<WireFrame, void> {
  let count = 0;
  const next = async (): Promise<IteratorResult<WireFrame, void>> => {
    const taken = await frames.next();
    if (taken.done === true || taken.value.header['t'] !== 'blocks') return taken;
    count += 1;
    return count % 3 === 0 ? await next() : taken;
  };
  return { next };
}

function unlessRefused(error: unknown): void {
  if (!isUmbraError(error, 'LAST_SHADOW_COPY', 'SHADOW_COPY_OPEN', 'SHADOW_COPY_PROTECTED', 'SHADOW_COPY_HELD'))
    throw error;
}
