import { requests } from '../../client/requests.js';
import type { Command } from '../command.js';
import { formatBytes, formatSeconds, plural } from '../format.js';

export const command: Command = {
  usage: '',
  synopsis: '',
  description: `Delete what no shadow copy needs any more and give its space back to the file system. Backups, restores and
mounts may go on meanwhile.`,
  examples: [['umbra forget web1@2026-10-01T10-15-00Z && umbra gc', 'delete a shadow copy and its space']],
  next: 'Next: "umbra stats" shows what the store takes.',
  positionals: {},
  options: {},
  run: async (_args, session) => {
    const result = await session.run(requests.gc());
    session.answer(result, () => {
      const { objects, deletedObjects, deletedBytes, freedBytes, seconds } = result;
      const deleted = `${plural(deletedObjects, 'object')} of ${plural(objects, 'object')} deleted (${formatBytes(deletedBytes)})`;
      return `${deleted}, ${formatBytes(freedBytes)} given back in ${formatSeconds(seconds)}\n`;
    });
    return 'OK';
  },
};
