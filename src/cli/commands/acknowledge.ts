import { requests } from '../../client/requests.js';
import { checkMachineName } from '../../common/names.js';
import { word, type Command } from '../command.js';
import { formatBytes, plural } from '../format.js';

export const command: Command = {
  usage: '<MACHINE>',
  synopsis: 'MACHINE',
  description: `Say that what has changed in a machine is as it should be. When suddenly much more of a machine's data changes than usual, as when a
program encrypts it, an alarm is raised, and the shadow copies of before are deleted by nobody, so that there is something to go back to.
This ends the alarm and lets them be deleted again, as the policies say. What changed counts among what is usual from then on: what comes a second
time raises no alarm any more. Look first: what is encrypted now can be brought back from the shadow copy before.`,
  examples: [
    ['umbra status', 'which machines are held, and why'],
    ['umbra diff web1@2026-10-01T10-15-00Z web1@latest --files', 'which files changed'],
    ['umbra acknowledge web1', 'it is as it should be'],
  ],
  next: 'Next: "umbra prune --dry-run" shows what is deleted now. "umbra policy" sets how sensitive the alarm is ("suddenChange").',
  positionals: { MACHINE: word('Its name in the store') },
  options: {},
  run: async (args, session) => {
    const machine = checkMachineName(args.text('MACHINE'));
    const result = await session.run(requests.acknowledge({ machine }));
    session.answer(result, () => {
      const { shadowCopy, bytes, heldShadowCopies } = result;
      const held = plural(heldShadowCopies, 'shadow copy', 'shadow copies');
      return `${formatBytes(bytes)} that changed with ${machine}@${shadowCopy} are acknowledged; ${held} may be deleted again\n`;
    });
    return 'OK';
  },
};
