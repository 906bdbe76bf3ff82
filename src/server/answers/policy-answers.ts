import { anyOf, count, eachOf, fields, flag, listOf, shape, text } from '../../common/shapes.js';
import type { Shape } from '../../common/json-schema.js';
import type * as api from '../../protocol/policies-api.js';

/** What the operations on policies answer, as src/protocol/policies-api.ts has it. */

type Interval = Extract<api.RhythmInfo, { readonly kind: 'interval' }>;
type Calendar = Extract<api.RhythmInfo, { readonly kind: 'calendar' }>;

const rhythm: Shape<api.RhythmInfo> = anyOf(
  fields<Interval>({ kind: eachOf<'interval'>({ interval: true }), everyMs: count }),
  fields<Calendar>({ kind: eachOf<'calendar'>({ calendar: true }), cron: listOf(text) }),
);

const keep = shape<api.KeepInfo>(
  'KeepInfo',
  { counting: eachOf<api.KeepInfo['counting']>({ proxmox: true, restic: true }) },
  { last: count, hourly: count, daily: count, weekly: count, monthly: count, yearly: count, days: count },
);

const policy = shape<api.PolicyInfo>(
  'PolicyInfo',
  {
    name: text,
    shadowCopies: rhythm,
    timeZone: text,
    dataLossMs: count,
    quiet: listOf(shape<api.QuietInfo>('QuietInfo', { days: listOf(count), from: count, to: count })),
    consistency: eachOf<api.PolicyInfo['consistency']>({ filesystem: true, crash: true }),
    otherwise: eachOf<api.PolicyInfo['otherwise']>({ accept: true, fail: true }),
    minimumAgeMs: count,
    suddenChange: eachOf<api.PolicyInfo['suddenChange']>({ off: true, low: true, normal: true, high: true }),
  },
  { keep, replicate: rhythm },
);

const machinePolicy = shape<api.MachinePolicy>(
  'MachinePolicy',
  {
    machine: text,
    policy: text,
    source: eachOf<api.MachinePolicy['source']>({ machine: true, group: true, host: true, default: true }),
  },
  { host: text, sourceName: text },
);

const meaning = {
  default: text,
  policies: listOf(policy),
  machines: listOf(machinePolicy),
  warnings: listOf(text),
} as const;

export const policiesMeaning = shape<api.PoliciesMeaning>('PoliciesMeaning', meaning);

export const policies = shape<api.PoliciesResult>('PoliciesResult', {
  ...meaning,
  text,
  digest: text,
  builtIn: flag,
});

export const prunedShadowCopy = shape<api.PrunedShadowCopy>(
  'PrunedShadowCopy',
  {
    machine: text,
    shadowCopy: text,
    time: text,
    policy: text,
    fate: eachOf<api.PrunedShadowCopy['fate']>({ kept: true, deleted: true, skipped: true }),
    keptBy: listOf(text),
  },
  { reason: text },
);

export const prune = shape<api.PruneResult>('PruneResult', {
  dryRun: flag,
  machines: count,
  kept: count,
  deleted: count,
  skipped: count,
});
