import type { Shape } from '../../common/json-schema.js';
import { oneOf } from '../../common/params.js';
import { amount, anyOf, count, eachOf, fields, flag, listOf, shape, text } from '../../common/shapes.js';
import type * as api from '../../protocol/agents-api.js';
import type { WireError } from '../../protocol/api.js';
import { consistency, tracker } from './store-answers.js';

/** What is answered about agents' machines, and what agents are told, as src/protocol/agents-api.ts has it. */

const choice = eachOf<api.TrackerChoice>({
  auto: true,
  'qemu-bitmap': true,
  filter: true,
  differencing: true,
  scan: true,
});

const discoveredVolume = shape<api.DiscoveredVolume>(
  'DiscoveredVolume',
  {
    name: text,
    path: text,
    format: eachOf<api.DiscoveredVolume['format']>({
      raw: true,
      qcow2: true,
      vhdx: true,
      vmdk: true,
      vdi: true,
      vpc: true,
    }),
    backing: listOf(text),
  },
  { sizeBytes: count },
);

const discoveredMachine = shape<api.DiscoveredMachine>(
  'DiscoveredMachine',
  {
    name: text,
    source: eachOf<api.DiscoverySource>({
      libvirt: true,
      qmp: true,
      'config-file': true,
      directory: true,
      guest: true,
    }),
    state: eachOf<api.MachineState>({ running: true, paused: true, off: true, unknown: true }),
    volumes: listOf(discoveredVolume),
    skipped: listOf(shape<api.SkippedVolume>('SkippedVolume', { name: text, reason: text })),
    configPaths: listOf(text),
  },
  { uuid: text },
);

const agentAfter = eachOf<api.LettingGo['agent']>({ done: true, working: true, failed: true, unreachable: true });
const left = fields<WireError>({ code: text, message: text }, { hint: text });

export const machineInfo = shape<api.MachineInfo>(
  'MachineInfo',
  { host: text, hostName: text, isConnected: flag },
  {
    machine: text,
    uuid: text,
    discovered: discoveredMachine,
    tracker: choice,
    asIs: flag,
    volumes: listOf(text),
    latest: text,
    made: fields<api.MadeInfo>({ tracker: text, consistency, pauseMs: amount, notes: listOf(text) }),
    lettingGo: fields<NonNullable<api.MachineInfo['lettingGo']>>({ machine: text, agent: agentAfter }, { left }),
  },
);

export const machines = shape<api.MachinesResult>('MachinesResult', {
  machines: listOf(machineInfo),
  notes: listOf(fields<api.MachinesResult['notes'][number]>({ host: text, note: text })),
});

const protectedMachine = shape<api.ProtectedMachine>(
  'ProtectedMachine',
  { name: text, host: text, hostName: text, tracker: choice },
  { uuid: text, volumes: listOf(text), asIs: flag },
);

export const unprotected = shape<api.UnprotectAnswer>(
  'UnprotectAnswer',
  { name: text, host: text, hostName: text, tracker: choice, agent: agentAfter },
  { uuid: text, volumes: listOf(text), asIs: flag, left, shadowCopy: text },
);

export const agentBackup = shape<api.AgentBackupAnswer>(
  'AgentBackupAnswer',
  {
    machine: text,
    host: text,
    shadowCopy: text,
    tracker,
    consistency,
    pauseMs: amount,
    readBytes: count,
    sentBytes: count,
    notes: listOf(text),
    seconds: amount,
  },
  { trackerReason: text },
);

const base = shape<api.BaseInfo>(
  'BaseInfo',
  {
    shadowCopy: text,
    volumes: listOf(fields<api.BaseInfo['volumes'][number]>({ name: text, sizeBytes: count, root: text })),
  },
  { checkpoint: text },
);

type TaskOf<K extends api.AgentTask['kind']> = Extract<api.AgentTask, { readonly kind: K }>;

const task: Shape<api.AgentTask> = anyOf(
  fields<TaskOf<'backup'>>({ kind: oneOf('backup'), id: text, machine: protectedMachine }, { base }),
  fields<TaskOf<'forget'>>({ kind: oneOf('forget'), id: text, machine: protectedMachine }),
  fields<TaskOf<'discover'>>({ kind: oneOf('discover'), id: text }),
);

const limits = fields<api.AgentLimits>({}, { bytesPerSecond: count });

export const taskLine = shape<api.AgentTaskLine>('AgentTaskLine', {}, { limits, task, cancel: text });

/** What is answered where nothing is to be said. */
export const done = fields<object>({});
