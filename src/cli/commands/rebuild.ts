import { requests } from '../../client/requests.js';
import type { Command } from '../command.js';
import { formatSeconds, plural } from '../format.js';

export const command: Command = {
  usage: '',
  synopsis: '',
  description: `Make the index and the catalog of the store again from its objects alone, for when they are damaged or lost.
What was deleted stays deleted. Files of the database that LevelDB can't read are mended first, and what is lost with them is
counted. Nothing else runs meanwhile, and nothing may be mounted.`,
  examples: [['umbra rebuild && umbra verify', 'after a damaged disk']],
  next: 'Next: "umbra verify" checks every object.',
  positionals: {},
  options: {},
  run: async (_args, session) => {
    const result = await session.run(requests.rebuild());
    session.answer(result, () => {
      const { objects, damagedObjects, lostBlocks, shadowCopies, stayedDeleted, seconds } = result;
      const found = `${plural(objects, 'object')} and ${plural(shadowCopies, 'shadow copy', 'shadow copies')} found`;
      return [
        `${found} in ${formatSeconds(seconds)}\n`,
        ...(stayedDeleted > 0 ? [`${plural(stayedDeleted, 'shadow copy stays', 'shadow copies stay')} deleted\n`] : []),
        ...(damagedObjects > 0
          ? [`${plural(damagedObjects, 'object is', 'objects are')} damaged; run "umbra verify"\n`]
          : []),
        ...(lostBlocks > 0
          ? [`${plural(lostBlocks, 'block of objects is', 'blocks of objects are')} lost; run "umbra verify"\n`]
          : []),
      ].join('');
    });
    return 'OK';
  },
};
