import { requests } from '../../client/requests.js';
import { isUmbraError } from '../../common/errors.js';
import { checkMachineName } from '../../common/names.js';
import type { ShadowCopyInfo } from '../../protocol/api.js';
import { flagOption, word, type Command } from '../command.js';
import { formatBytes, formatCount, formatTime } from '../format.js';
import { formatTable } from '../table.js';

export const command: Command = {
  usage: '[MACHINE]',
  synopsis: '[MACHINE]',
  description: `List the shadow copies of all machines, or of one, oldest first. A replica that is newer than them is said below, as it is no version:
the next replication, or shadow copy, replaces it. MACHINE@replica names it where something is read or restored.`,
  examples: [
    ['umbra list', 'everything in the store'],
    ['umbra list web1 --json', 'for scripts'],
    ['umbra list --replicas --json', 'the replicas that are newer, for scripts'],
  ],
  next:
    'Next: "umbra mount DIR" shows them as files, "umbra restore MACHINE@SHADOW-COPY" brings one back, "umbra backup MACHINE --from-replica" ' +
    'makes a shadow copy of a replica.',
  positionals: { MACHINE: word('Only this machine') },
  options: { replicas: flagOption('Only the replicas that are newer than their shadow copies') },
  run: async (args, session) => {
    const name = args.optionalText('MACHINE');
    const machine = name === undefined ? undefined : checkMachineName(name);
    if (args.flag('replicas')) {
      const replicas = await session.call(requests.replicas(machine));
      session.answer(
        replicas,
        () => describeReplicas(replicas) || 'No replica is newer than the shadow copies of its machine.\n',
      );
      return 'OK';
    }
    const list = await session.call(requests.list(machine));
    // For scripts, a list of shadow copies has nothing else in it.
    const replicas = session.json ? [] : await session.call(requests.replicas(machine)).catch(noneIfUnknown);
    session.answer(list, () => describe(list, replicas));
    return 'OK';
  },
};

/** A server that was started by an older version knows of no replicas. */
function noneIfUnknown(error: unknown): readonly ShadowCopyInfo[] {
  if (isUmbraError(error, 'NOT_FOUND')) return [];
  throw error;
}

function describe(list: readonly ShadowCopyInfo[], replicas: readonly ShadowCopyInfo[]): string {
  if (list.length + replicas.length === 0)
    return 'The store is empty. "umbra backup MACHINE IMAGE" makes the first shadow copy.\n';
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
  return `${list.length === 0 ? '' : formatTable(columns, rows)}${heldText(list)}${describeReplicas(replicas)}`;
}

/** Why some of them are not deleted. */
function heldText(list: readonly ShadowCopyInfo[]): string {
  return list
    .filter(({ sudden, isHeld }) => isHeld === true && sudden !== undefined)
    .map(
      ({ machine, shadowCopy, sudden }) =>
        `note: ${formatBytes(sudden?.bytes ?? 0)} changed suddenly with ${machine}@${shadowCopy}; what is older is not deleted until ` +
        `"umbra acknowledge ${machine}"\n`,
    )
    .join('');
}

function describeReplicas(replicas: readonly ShadowCopyInfo[]): string {
  return replicas
    .map(({ machine, time, consistency, tracker, volumes }) => {
      const bytes = volumes.reduce((sum, volume) => sum + volume.sizeBytes, 0);
      return `${machine}@replica is as of ${formatTime(time)}: ${consistency}, ${tracker}, ${formatBytes(bytes)}\n`;
    })
    .join('');
}
