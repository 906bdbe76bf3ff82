import { requests } from '../../client/requests.js';
import { UmbraError } from '../../common/errors.js';
import { parseMachineVersion, type MachineVersion } from '../../common/names.js';
import { flagOption, words, type Command } from '../command.js';
import { plural } from '../format.js';

export const command: Command = {
  usage: '<VERSION..>',
  synopsis: 'MACHINE@VERSION... [--dry-run] [--force]',
  description: `Delete shadow copies. The others stay whole; the space comes back with "umbra gc". One that has a file open in a
mount is refused, and the last one of a machine is deleted only with --force. MACHINE@replica drops what was replicated since the newest shadow
copy; no minimum age keeps it, as the next replication would replace it, too.`,
  examples: [
    ['umbra forget web1@2026-10-01T10-15-00Z --dry-run', 'say what would be deleted'],
    ['umbra forget web1@2026-10-01T10-15-00Z web1@2026-10-02T10-15-00Z', 'delete two'],
  ],
  next: 'Next: "umbra gc" gives the space back.',
  positionals: { VERSION: words('Shadow copies, each a machine and the name of a shadow copy, "latest" or "replica"') },
  options: {
    'dry-run': flagOption('Only say what would be deleted'),
    force: flagOption('Delete also the last shadow copy of a machine'),
  },
  run: async (args, session) => {
    const shadowCopies = args.texts('VERSION').map(parseExplicit);
    const request = { shadowCopies, dryRun: args.flag('dry-run'), force: args.flag('force') };
    const result = await session.run(requests.forget(request));
    session.answer(result, () => {
      const names = result.forgotten.map(({ machine, shadowCopy }) => `  ${machine}@${shadowCopy}\n`).join('');
      const count = plural(result.forgotten.length, 'shadow copy', 'shadow copies');
      return `${result.dryRun ? `would delete ${count}` : `deleted ${count}`}:\n${names}`;
    });
    return 'OK';
  },
};

/** What is deleted must be named: a machine alone does not mean its latest shadow copy here. */
function parseExplicit(text: string): MachineVersion {
  if (text.includes('@')) return parseMachineVersion(text);
  throw new UmbraError('BAD_ARGUMENT', `${JSON.stringify(text)} does not say which shadow copy`, {
    hint: `Give MACHINE@VERSION; "umbra list ${text}" shows the names.`,
  });
}
