import { requests } from '../../client/requests.js';
import { UmbraError } from '../../common/errors.js';
import type { ExitCodeName } from '../../common/exit-codes.js';
import type { FleetStatus, MountInfo, StatusResult } from '../../protocol/server-api.js';
import { flagOption, type Command } from '../command.js';
import { checkText, countsText, fleetText, type Room } from '../fleet-text.js';
import { alertPairs } from '../alerts-text.js';
import { formatBytes, formatTime, plural } from '../format.js';
import { spaceText } from '../space-text.js';
import { scrubPairs } from '../scrub-text.js';
import type { Session } from '../session.js';
import { formatPairs, formatTable } from '../table.js';

/** Where the output is no terminal it is as long as on this one. */
const USUAL_ROWS = 24;
/** What the shell writes below it. */
const PROMPT_ROWS = 1;

export const command: Command = {
  usage: '',
  synopsis: '[--all] [--check]',
  description: `Show how the protected machines are, the worst first, and what the server of the store does: its mounts and the operations that run.
It does not start one. REPLICA is the age of the newest that the store has of a machine, SHADOW COPY that of its newest shadow copy. A machine is
in BREACH when the newest is older than its policy accepts ("dataLoss"), and "late" from three quarters of that on; one that never had any
counts from when it was planned for. The worst alerts stand above them ("umbra alerts").
With --check, say in one line what is wrong, for programs that watch: the exit code is 0 when no machine is in breach, 14 when one is,
11 when no server answers, and 4 when the server does not know now, since the store is opened or rebuilt.`,
  examples: [
    ['umbra status', 'the whole fleet in one screen'],
    ['umbra status --json', 'for scripts; the exit code is 11 when no server runs'],
    ['umbra status --check', 'for monitoring; the exit code is 14 when a machine is in breach'],
  ],
  next:
    'Next: "umbra job ID" says why something failed, "umbra jobs --next" what is done next. "umbra stop" ends the server, "umbra unmount DIR" ' +
    'one mount. GET /v1/openapi.json describes what it answers.',
  positionals: {},
  options: {
    all: flagOption('Show all machines, and not only the worst that fit the screen'),
    check: flagOption('Say in one line what is wrong, and with the exit code whether a machine is in breach'),
  },
  run: async (args, session) => {
    const status = await session.client().call(requests.status());
    if (args.flag('check')) return check(status, session);
    session.answer(status, () => describe(status, roomOf(session), args.flag('all')));
    return 'OK';
  },
};

/** @throws {UmbraError} STORE_IN_USE while it is not known how the machines are */
function check(status: StatusResult, session: Session): ExitCodeName {
  const { fleet } = status;
  if (fleet === undefined) {
    throw new UmbraError('STORE_IN_USE', 'the server does not know now how the machines are', {
      hint: 'The store is opened or rebuilt, or the server is of another version; "umbra status" shows what it does.',
    });
  }
  session.answer(status, () => checkText(fleet));
  return fleet.machines.some(({ state }) => state === 'breach') ? 'BREACH' : 'OK';
}

function roomOf({ environment: { stdout } }: Session): Room {
  return { rows: stdout.terminalRows() ?? USUAL_ROWS, columns: stdout.terminalColumns() };
}

function describe(status: StatusResult, room: Room, showsAll: boolean): string {
  const { mounts, jobs, fleet, alerts, scrub } = status;
  const mountRows = mounts.map((mount) => [mount.mountPoint, shown(mount)]);
  const jobRows = jobs.map(({ id, kind, what, startedAt: since }) => [String(id), kind, what, formatTime(since)]);
  const head = formatPairs([
    ...serverPairs(status),
    ...(fleet === undefined ? [] : fleetPairs(fleet)),
    ...spacePairs(status),
    ...heldPairs(status),
    ...(alerts === undefined ? [] : alertPairs(alerts, room.columns)),
    ...scrubPairs(scrub),
  ]);
  const below = [
    mounts.length === 0
      ? 'nothing is mounted\n'
      : formatTable([{ title: 'MOUNT POINT' }, { title: 'SHOWS' }], mountRows),
    jobs.length === 0
      ? 'nothing runs\n'
      : formatTable([{ title: 'JOB' }, { title: 'KIND' }, { title: 'WHAT' }, { title: 'SINCE' }], jobRows),
  ].join('');
  if (fleet === undefined || fleet.machines.length === 0) return head + below;
  const rows = room.rows - PROMPT_ROWS - linesOf(head) - linesOf(below);
  return head + fleetText(fleet, { ...room, rows }, showsAll) + below;
}

function serverPairs({ pid, version, store, startedAt, listening }: StatusResult): [string, string][] {
  return [
    ['store', store],
    ['server', `process ${pid}, version ${version}, since ${formatTime(startedAt)}`],
    ...(listening === undefined ? [] : [['HTTPS', listening] satisfies [string, string]]),
  ];
}

function fleetPairs({ machines, isScheduling }: FleetStatus): [string, string][] {
  if (machines.length === 0) return [];
  const note = isScheduling ? '' : '; this server does nothing by itself: "umbra serve" does';
  return [['machines', `${countsText(machines)}${note}`]];
}

function spacePairs({ space }: StatusResult): [string, string][] {
  return space === undefined ? [] : [[space.state === 'ok' ? 'room' : 'ROOM', spaceText(space)]];
}

/** Machines of which nothing is deleted, since too much has changed. */
function heldPairs({ held = [] }: StatusResult): [string, string][] {
  return held.map(({ machine, shadowCopy, bytes, usualBytes, volume, heldShadowCopies }) => [
    'SUDDEN CHANGE',
    `${formatBytes(bytes)} of ${machine} with ${shadowCopy}, mostly ${volume}, usual: ${formatBytes(usualBytes)}; ` +
      `${plural(heldShadowCopies, 'shadow copy', 'shadow copies')} kept until "umbra acknowledge ${machine}"`,
  ]);
}

function linesOf(text: string): number {
  return text.split('\n').length - 1;
}

function shown({ machine, version }: MountInfo): string {
  if (machine === undefined) return 'everything';
  return version === undefined ? machine : `${machine}@${version}`;
}
