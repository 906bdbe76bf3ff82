import { requests } from '../../client/requests.js';
import { checkMachineName } from '../../common/names.js';
import type { ShadowCopyInfo } from '../../protocol/api.js';
import { word, type Command } from '../command.js';
import { formatBytes, formatCount, formatTime } from '../format.js';
import { formatTable } from '../table.js';

export const command: Command = {
  usage: '[MACHINE]',
  synopsis: '[MACHINE]',
  description: 'List the shadow copies of all machines, or of one, oldest first.',
  examples: [
    ['umbra list', 'everything in the store'],
    ['umbra list web1 --json', 'for scripts'],
  ],
  next: 'Next: "umbra mount DIR" shows them as files, "umbra restore MACHINE@SHADOW-COPY" brings one back.',
  positionals: { MACHINE: word('Only this machine') },
  options: {},
  run: async (args, session) => {
    const name = args.optionalText('MACHINE');
    const list = await session.call(requests.list(name === undefined ? undefined : checkMachineName(name)));
    session.answer(list, () => describe(list));
    return 'OK';
  },
};

function describe(list: readonly ShadowCopyInfo[]): string {
  if (list.length === 0) return 'The store is empty. "umbra backup MACHINE IMAGE" makes the first shadow copy.\n';
  const columns = [
    { title: 'MACHINE' },
    { title: 'SHADOW COPY' },
    { title: 'TIME' },
    { title: 'CONSISTENCY' },
    { title: 'TRACKER' },
    { title: 'PAUSE', right: true },
    { title: 'SIZE', right: true },
    { title: 'VOLUMES' },
  ];
  const rows = list.map(({ machine, shadowCopy, time, consistency, tracker, pauseMs, volumes }) => [
    machine,
    shadowCopy,
    formatTime(time),
    consistency,
    tracker,
    `${formatCount(Math.round(pauseMs))} ms`,
    formatBytes(volumes.reduce((sum, volume) => sum + volume.sizeBytes, 0)),
    volumes.map((volume) => volume.name).join(' '),
  ]);
  return formatTable(columns, rows);
}
