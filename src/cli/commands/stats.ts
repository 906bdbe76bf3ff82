import { requests } from '../../client/requests.js';
import type { StatsResult } from '../../protocol/api.js';
import type { Command } from '../command.js';
import { formatBytes, formatCount } from '../format.js';
import { spaceText } from '../space-text.js';
import { scrubPairs } from '../scrub-text.js';
import { formatPairs } from '../table.js';

export const command: Command = {
  usage: '',
  synopsis: '',
  description: `Show how much the store protects and how much it takes. Logical is the size of all volumes of all shadow
copies, data is that without holes, unique is each chunk once, stored is that compressed.`,
  examples: [['umbra stats --json', 'for monitoring']],
  next: 'Next: "umbra gc" gives back the space of what was deleted.',
  positionals: {},
  options: {},
  run: async (_args, session) => {
    const stats = await session.call(requests.stats());
    session.answer(stats, () => describe(stats));
    return 'OK';
  },
};

function describe(stats: StatsResult): string {
  const ratio =
    stats.storedBytes > 0 ? ` (${(stats.dataBytes / stats.storedBytes).toFixed(1)} times smaller than data)` : '';
  return formatPairs([
    ['store', stats.store],
    ['format', String(stats.format)],
    ['machines', formatCount(stats.machines)],
    ['shadow copies', formatCount(stats.shadowCopies)],
    [
      'replicas',
      stats.replicas === 0
        ? '0'
        : `${formatCount(stats.replicas)} newer than their shadow copies, ${formatBytes(stats.replicaBytes)} of data`,
    ],
    ['volumes', formatCount(stats.volumes)],
    ['logical', formatBytes(stats.logicalBytes)],
    ['data', formatBytes(stats.dataBytes)],
    ['unique', formatBytes(stats.uniqueBytes)],
    ['stored', `${formatBytes(stats.storedBytes)}${ratio}`],
    ['on disk', formatBytes(stats.diskBytes)],
    ['room', spaceText(stats.space)],
    ['chunks', formatCount(stats.chunks)],
    ['tree nodes', formatCount(stats.nodes)],
    ['damaged objects', formatCount(stats.damagedObjects)],
    ...scrubPairs(stats.scrub),
    [
      'write amplification',
      stats.writeAmplification === null ? 'nothing written yet' : stats.writeAmplification.toFixed(2),
    ],
  ]);
}
