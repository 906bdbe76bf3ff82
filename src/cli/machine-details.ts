import { printable } from '../common/printable.js';
import type { MachineInfo, MachinesResult } from '../protocol/agents-api.js';
import { formatBytes, formatCount } from './format.js';
import { describeLettingGo } from './letting-go.js';
import { formatPairs, formatTable } from './table.js';
import { wrap } from './wrap.js';

/** Where nobody says how wide the screen is, and where lines would become too long to read. */
const USUAL_COLUMNS = 80;
const MOST_COLUMNS = 120;
const INDENT = 2;

/** All about machines that were asked for by name. @param columns of the terminal, if it is one */
export function describeMachines({ machines }: MachinesResult, columns = USUAL_COLUMNS): string {
  const width = Math.min(columns, MOST_COLUMNS) - INDENT;
  return machines.map((machine) => describeMachine(machine, width)).join('\n');
}

function describeMachine(info: MachineInfo, width: number): string {
  return [formatPairs(factsOf(info)), remarks(info, width), volumesOf(info)].join('');
}

/** Names are of the host's making: they may hold anything. */
function factsOf(info: MachineInfo): (readonly [string, string])[] {
  const { machine, host, hostName, uuid, isConnected, discovered, tracker = 'auto', asIs, latest, made } = info;
  const state = discovered === undefined ? 'gone' : `${discovered.state}, found by ${discovered.source}`;
  const how = made === undefined ? '' : ` by ${made.tracker}, ${made.consistency}, pause ${pause(made.pauseMs)}`;
  return [
    ['machine', printable(hostName)],
    ['host', isConnected ? host : `${host} (no agent)`],
    ['state', state],
    ...(uuid === undefined ? [] : [['UUID', printable(uuid)] as const]),
    [
      'protected',
      machine === undefined ? 'no' : `as ${machine}, ${tracker}${asIs === true ? ', files as they are' : ''}`,
    ],
    ...(machine === undefined ? [] : [['newest', `${latest ?? 'none'}${how}`] as const]),
  ];
}

function pause(ms: number): string {
  return `${formatCount(Math.round(ms))} ms`;
}

/** What is to be known of how the newest shadow copy was made, what is left out of it, and what an agent has left. */
function remarks({ made, discovered, host, lettingGo }: MachineInfo, width: number): string {
  const skipped = (discovered?.skipped ?? []).map(({ name, reason }) => `${name} is left out: ${reason}`);
  const left = lettingGo === undefined ? [] : describeLettingGo(lettingGo.machine, host, lettingGo);
  return [...left, ...(made?.notes ?? []), ...skipped]
    .flatMap((remark) => wrap(printable(remark), width))
    .map((line) => `${' '.repeat(INDENT)}${line}\n`)
    .join('');
}

function volumesOf({ machine, discovered, volumes: wanted }: MachineInfo): string {
  const volumes = discovered?.volumes ?? [];
  if (volumes.length === 0) return '';
  const columns = [
    { title: 'VOLUME' },
    { title: 'FORMAT' },
    { title: 'SIZE', right: true },
    { title: 'PROTECTED' },
    { title: 'IMAGE' },
  ];
  const rows = volumes.map(({ name, format, sizeBytes, path }) => [
    name,
    format,
    sizeBytes === undefined ? '' : formatBytes(sizeBytes),
    machine === undefined || wanted?.includes(name) === false ? 'no' : 'yes',
    printable(path),
  ]);
  return formatTable(columns, rows);
}
