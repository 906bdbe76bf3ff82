import { requests } from '../../client/requests.js';
import type { MountInfo, StatusResult } from '../../protocol/server-api.js';
import type { Command } from '../command.js';
import { formatTime } from '../format.js';
import { formatPairs, formatTable } from '../table.js';

export const command: Command = {
  usage: '',
  synopsis: '',
  description: 'Show what the server of the store does: its mounts and the operations that run. It does not start one.',
  examples: [['umbra status --json', 'for scripts; the exit code is 11 when no server runs']],
  next: 'Next: "umbra stop" ends the server, "umbra unmount DIR" one mount. GET /v1/openapi.json describes what it answers.',
  positionals: {},
  options: {},
  run: async (_args, session) => {
    const status = await session.client().call(requests.status());
    session.answer(status, () => describe(status));
    return 'OK';
  },
};

function describe({ pid, version, store, startedAt, listening, mounts, jobs }: StatusResult): string {
  const head = formatPairs([
    ['store', store],
    ['server', `process ${pid}, version ${version}, since ${formatTime(startedAt)}`],
    ...(listening === undefined ? [] : [['HTTPS', listening] as const]),
  ]);
  const mountRows = mounts.map((mount) => [mount.mountPoint, shown(mount)]);
  const jobRows = jobs.map(({ id, kind, what, startedAt: since }) => [String(id), kind, what, formatTime(since)]);
  return [
    head,
    mounts.length === 0
      ? 'nothing is mounted\n'
      : formatTable([{ title: 'MOUNT POINT' }, { title: 'SHOWS' }], mountRows),
    jobs.length === 0
      ? 'nothing runs\n'
      : formatTable([{ title: 'JOB' }, { title: 'KIND' }, { title: 'WHAT' }, { title: 'SINCE' }], jobRows),
  ].join('');
}

function shown({ machine, version }: MountInfo): string {
  if (machine === undefined) return 'everything';
  return version === undefined ? machine : `${machine}@${version}`;
}
