import { requests } from '../../client/requests.js';
import { UmbraError } from '../../common/errors.js';
import { checkMachineName } from '../../common/names.js';
import type { PrunedShadowCopy, PruneResult } from '../../protocol/policies-api.js';
import type { ItemsRequest } from '../../client/requests.js';
import type { Args } from '../args.js';
import { flagOption, textOption, words, type Command } from '../command.js';
import { formatBytes, plural } from '../format.js';
import { readPolicyFile } from '../policy-file.js';
import type { Session } from '../session.js';

export const command: Command = {
  usage: '[MACHINE..]',
  synopsis: '[MACHINE...] [--dry-run [--policies FILE]] [--gc]',
  description: `Delete the shadow copies that the policies do not keep, of all machines or of those that are named. With --dry-run it
prints what would be kept, and by which rules, and what would be deleted. What is in use is passed over, and the last shadow copy of a
machine always stays. The space comes back with "umbra gc", or at once with --gc.`,
  examples: [
    ['umbra prune --dry-run', 'what is kept, by which rules, and what is not'],
    ['umbra prune web1 --dry-run --policies new.yaml', 'what other policies would keep of a machine'],
    ['umbra prune --gc', 'delete what is not kept, and give its space back'],
  ],
  next: 'Next: "umbra gc" gives the space back; "umbra policy show" prints the policies.',
  positionals: { MACHINE: words('Machines; all without any') },
  options: {
    'dry-run': flagOption('Only say what would be deleted'),
    policies: textOption('With --dry-run: by this file instead of the policies that hold'),
    gc: flagOption('Give the space back at once'),
  },
  run: async (args, session) => {
    const dryRun = args.flag('dry-run');
    refuseContradictions(args, session);
    const print = (items: readonly PrunedShadowCopy[]): string => itemsText(items, dryRun);
    const result = await session.items(pruneRequest(args), 'shadowCopies', print);
    if (session.json) return 'OK';
    session.environment.stdout.write(resultText(result, args.flag('gc')));
    if (args.flag('gc')) {
      const { freedBytes } = await session.run(requests.gc());
      session.environment.stdout.write(`${formatBytes(freedBytes)} given back\n`);
    }
    return 'OK';
  },
};

/** @throws {UmbraError} BAD_ARGUMENT */
function refuseContradictions(args: Args, session: Session): void {
  const dryRun = args.flag('dry-run');
  if (dryRun && args.flag('gc')) throw new UmbraError('BAD_ARGUMENT', '--dry-run and --gc exclude each other');
  if (session.json && args.flag('gc')) {
    throw new UmbraError('BAD_ARGUMENT', '--gc and --json exclude each other', {
      hint: 'Run "umbra gc --json" afterwards.',
    });
  }
  if (!dryRun && args.optionalText('policies') !== undefined) {
    throw new UmbraError('BAD_ARGUMENT', '--policies needs --dry-run', {
      hint: 'By a file nothing is deleted; "umbra policy apply" has it hold.',
    });
  }
}

function pruneRequest(args: Args): ItemsRequest<PrunedShadowCopy, PruneResult> {
  const names = args.texts('MACHINE').map(checkMachineName);
  const machines = names.length === 0 ? {} : { machines: names };
  const file = args.optionalText('policies');
  if (file === undefined) return requests.prune({ dryRun: args.flag('dry-run'), ...machines });
  return requests.previewPolicies({ ...readPolicyFile(file, args.path('policies')), ...machines });
}

/** Of a dry run all, else only what is gone, or should be. */
function itemsText(items: readonly PrunedShadowCopy[], dryRun: boolean): string {
  const verbs = { kept: 'keep', deleted: dryRun ? 'delete' : 'deleted', skipped: dryRun ? 'skip' : 'skipped' };
  return items
    .filter(({ fate }) => dryRun || fate !== 'kept')
    .map(({ machine, shadowCopy, fate, keptBy, reason }) => {
      const why = reason ?? keptBy.join(', ');
      return `${`${verbs[fate].padEnd(7)}  ${machine}@${shadowCopy}  ${why}`.trimEnd()}\n`;
    })
    .join('');
}

function resultText({ dryRun, kept, deleted, skipped }: PruneResult, gc: boolean): string {
  const count = plural(deleted, 'shadow copy', 'shadow copies');
  const left = skipped === 0 ? '' : `, ${skipped} passed over`;
  const done = dryRun ? `would delete ${count}, keep ${kept}${left}` : `deleted ${count}, ${kept} kept${left}`;
  return `${done}${dryRun || gc || deleted === 0 ? '' : '; "umbra gc" gives the space back'}\n`;
}
