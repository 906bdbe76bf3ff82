import { ERROR_CODES } from '../../common/error-codes.js';
import type { Shape } from '../../common/json-schema.js';
import { oneOf } from '../../common/params.js';
import { amount, anyOf, count, eachOf, fields, flag, listOf, nothing, shape, text } from '../../common/shapes.js';
import type { TrackerKind } from '../../protocol/agents-api.js';
import type * as api from '../../protocol/api.js';
import type { JobState } from '../../protocol/jobs-api.js';
import type * as serverApi from '../../protocol/server-api.js';
import type { SpaceInfo } from '../../protocol/space-api.js';
import type { ShareInfo } from '../../protocol/shares-api.js';
import { alertsSummary } from './alert-answers.js';
import { heldMachine, suddenChange } from './change-answers.js';
import { scrub } from './upkeep-answers.js';

/** What the store's operations answer, as src/protocol/api.ts and server-api.ts have it. */

export const consistency = eachOf<api.Consistency>({
  offline: true,
  application: true,
  filesystem: true,
  crash: true,
  none: true,
});
export const tracker = eachOf<TrackerKind>({ 'qemu-bitmap': true, filter: true, differencing: true, scan: true });

export const wireError = shape<api.WireError>(
  'WireError',
  { code: oneOf(...Object.keys(ERROR_CODES)), message: text },
  { hint: text },
);

export const jobState = eachOf<JobState>({
  waiting: true,
  running: true,
  retrying: true,
  done: true,
  failed: true,
  cancelled: true,
});

const volumeInfo = shape<api.VolumeInfo>('VolumeInfo', { name: text, sizeBytes: count, root: text });

const shadowCopy = shape<api.ShadowCopyInfo>(
  'ShadowCopyInfo',
  {
    machine: text,
    shadowCopy: text,
    time: text,
    consistency,
    tracker: text,
    pauseMs: amount,
    volumes: listOf(volumeInfo),
  },
  { host: text, sudden: suddenChange, isHeld: flag },
);

export const shadowCopies: Shape<readonly api.ShadowCopyInfo[]> = listOf(shadowCopy);

export const keptReplica = shape<api.KeepReplicaResult>('KeepReplicaResult', { shadowCopy, isNew: flag });

const backupVolume = shape<api.BackupVolumeResult>('BackupVolumeResult', {
  name: text,
  sizeBytes: count,
  dataBytes: count,
  changedBytes: count,
  newChunks: count,
  newBytes: count,
  storedBytes: count,
});

export const backup = shape<api.BackupResult>('BackupResult', {
  machine: text,
  shadowCopy: text,
  volumes: listOf(backupVolume),
  seconds: amount,
});

const restoredVolume = shape<api.RestoreVolumeResult>(
  'RestoreVolumeResult',
  {
    name: text,
    to: text,
    sizeBytes: count,
    differential: flag,
    comparedBytes: count,
    writtenBytes: count,
    writtenBlocks: count,
  },
  { cutOffBytes: count },
);

export const restore = shape<api.RestoreResult>('RestoreResult', {
  machine: text,
  shadowCopy: text,
  volumes: listOf(restoredVolume),
  config: listOf(text),
  seconds: amount,
});

export const exported = shape<api.ExportResult>('ExportResult', {
  machine: text,
  shadowCopy: text,
  volume: text,
  to: text,
  sizeBytes: count,
  fileBytes: count,
  seconds: amount,
});

const diffVolume = shape<api.DiffVolume>(
  'DiffVolume',
  {
    name: text,
    change: eachOf<api.DiffVolume['change']>({ same: true, changed: true, added: true, removed: true }),
    changedBytes: count,
    ranges: listOf(shape<api.ByteRange>('ByteRange', { offset: count, length: count })),
  },
  { fromBytes: count, toBytes: count },
);

export const diff = shape<api.DiffResult>('DiffResult', {
  from: text,
  to: text,
  exact: flag,
  volumes: listOf(diffVolume),
});

export const forget = shape<api.ForgetResult>('ForgetResult', {
  dryRun: flag,
  forgotten: listOf(fields<api.ForgetResult['forgotten'][number]>({ machine: text, shadowCopy: text })),
});

export const gc = shape<api.GcResult>('GcResult', {
  objects: count,
  deletedObjects: count,
  deletedBytes: count,
  freedBytes: { schema: { type: 'integer' } },
  seconds: amount,
});

const damagedRange = shape<api.DamagedRange>('DamagedRange', {
  machine: text,
  shadowCopy: text,
  volume: text,
  offset: count,
  length: count,
  object: text,
  kind: eachOf<api.DamagedRange['kind']>({ chunk: true, node: true }),
});

const damagedObject = fields<api.VerifyResult['damagedObjects'][number]>({ object: text, kind: text, reason: text });

export const verify = shape<api.VerifyResult>(
  'VerifyResult',
  {
    checkedObjects: count,
    checkedBytes: count,
    damagedObjects: listOf(damagedObject),
    damaged: listOf(damagedRange),
    seconds: amount,
  },
  { advice: text },
);

export const rebuild = shape<api.RebuildResult>('RebuildResult', {
  objects: count,
  damagedObjects: count,
  lostBlocks: count,
  shadowCopies: count,
  stayedDeleted: count,
  seconds: amount,
});

const space = shape<SpaceInfo>(
  'SpaceInfo',
  {
    state: eachOf<SpaceInfo['state']>({ ok: true, warning: true, stopped: true }),
    sizeBytes: count,
    freeBytes: count,
    reserveBytes: count,
    freeFiles: count,
    files: count,
    warnBytes: count,
    stopBytes: count,
    resumeBytes: count,
  },
  { fullInDays: amount },
);

export const stats = shape<api.StatsResult>(
  'StatsResult',
  {
    store: text,
    format: count,
    machines: count,
    shadowCopies: count,
    replicas: count,
    replicaBytes: count,
    volumes: count,
    logicalBytes: count,
    dataBytes: count,
    uniqueBytes: count,
    storedBytes: count,
    diskBytes: count,
    chunks: count,
    nodes: count,
    damagedObjects: count,
    writeAmplification: anyOf(amount, nothing),
    space,
  },
  { scrub },
);

export const mount = shape<serverApi.MountInfo>('MountInfo', { mountPoint: text }, { machine: text, version: text });

const job = fields<serverApi.StatusResult['jobs'][number]>({ id: count, kind: text, what: text, startedAt: text });

const machineStatus = shape<serverApi.MachineStatus>(
  'MachineStatus',
  {
    machine: text,
    host: text,
    state: eachOf<serverApi.MachineStatus['state']>({ ok: true, late: true, breach: true }),
    acceptableSeconds: amount,
    isConnected: flag,
  },
  {
    ageSeconds: amount,
    replica: fields<NonNullable<serverApi.MachineStatus['replica']>>({ time: text, ageSeconds: amount }),
    shadowCopy: text,
    time: text,
    shadowCopyAgeSeconds: amount,
    plannedSince: text,
    nextAt: text,
    job: fields<NonNullable<serverApi.MachineStatus['job']>>({ id: count, state: jobState }, { error: wireError }),
  },
);

const fleetStatus = shape<serverApi.FleetStatus>('FleetStatus', {
  asOf: text,
  machines: listOf(machineStatus),
  isScheduling: flag,
});

export const status = shape<serverApi.StatusResult>(
  'StatusResult',
  {
    pid: count,
    version: text,
    store: text,
    startedAt: text,
    background: flag,
    mounts: listOf(mount),
    jobs: listOf(job),
  },
  {
    listening: text,
    urls: listOf(text),
    fleet: fleetStatus,
    held: listOf(heldMachine),
    space,
    alerts: alertsSummary,
    scrub,
  },
);

export const stop = shape<serverApi.StopResult>('StopResult', {
  pid: count,
  cancelledJobs: count,
  unmounted: listOf(mount),
  left: listOf(mount),
});

export const share = shape<ShareInfo>('ShareInfo', { name: text, machine: text, path: text });

export const progress = shape<api.Progress>('Progress', { what: text, doneBytes: count }, { totalBytes: count });
