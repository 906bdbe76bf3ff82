import { requests } from '../../client/requests.js';
import type { ScrubResult } from '../../protocol/upkeep-api.js';
import { flagOption, type Command } from '../command.js';
import { formatTime, plural } from '../format.js';
import { boundText, objectsText, passText, scrubBytes } from '../scrub-text.js';
import { formatPairs } from '../table.js';

export const command: Command = {
  usage: '',
  synopsis: '[--now]',
  description: `Show how long ago any object of the store was read, at most. "umbra serve" reads everything once in so many days by itself (30;
"--scrub-days"), in small steps while nobody else works, decodes it and compares it with its digest. What is damaged goes into quarantine: "umbra damage"
names it, and the next backup reads it again from its source. With --now, read everything at once, and wait for it.
The exit code is 5 when something is damaged.`,
  examples: [
    ['umbra scrub', 'how far it is'],
    ['umbra scrub --now', 'after the disk of the store has made errors'],
  ],
  next: 'Next: "umbra damage" names the shadow copies and files that are damaged.',
  positionals: {},
  options: { now: flagOption('Read everything once, now') },
  run: async (args, session) => {
    const result = args.flag('now') ? await session.run(requests.scrubNow()) : await session.call(requests.scrub());
    session.answer(result, () => describe(result));
    return result.damagedObjects > 0 ? 'DAMAGED' : 'OK';
  },
};

function describe(result: ScrubResult): string {
  const { days, passBeganAt, damagedObjects } = result;
  const began = passBeganAt === undefined ? '' : `, begun ${formatTime(passBeganAt)}`;
  return formatPairs([
    ['reads by itself', days === 0 ? 'no: "umbra serve" does' : `everything once in ${plural(days, 'day')}`],
    ['objects', objectsText(result)],
    ['bound', boundText(result)],
    ['this pass', `${passText(result)}${began}`],
    ...(days === 0 ? [] : [['a day', scrubBytes(result, result.bytesPerDay)] satisfies [string, string]]),
    [
      'damaged',
      damagedObjects === 0 ? 'nothing' : `${plural(damagedObjects, 'object')}: "umbra damage" names what that touches`,
    ],
  ]);
}
