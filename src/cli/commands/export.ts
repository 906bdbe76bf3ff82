import { requests } from '../../client/requests.js';
import { UmbraError } from '../../common/errors.js';
import { checkVolumeName, parseMachineVersion } from '../../common/names.js';
import { textOption, word, type Command } from '../command.js';
import { formatBytes, formatSeconds } from '../format.js';

export const command: Command = {
  usage: '<MACHINE>',
  synopsis: 'MACHINE[@VERSION] --volume NAME --to FILE.qcow2',
  description: 'Write a volume of a shadow copy to a new qcow2 image, without its holes.',
  examples: [['umbra export web1@latest --volume vda --to /srv/web1.qcow2', 'an image that QEMU boots']],
  next: 'Next: "qemu-img convert" makes every other format of it; "umbra restore" writes raw files and devices.',
  positionals: {
    MACHINE: word(
      'The machine, and the name of a shadow copy, "replica" for the newest there is, or "latest", which is the default',
    ),
  },
  options: {
    volume: { ...textOption('The volume'), demandOption: true },
    to: { ...textOption('The file to make, FILE.qcow2'), demandOption: true },
  },
  run: async (args, session) => {
    const to = args.path('to');
    if (!to.endsWith('.qcow2')) {
      throw new UmbraError('BAD_ARGUMENT', `the name of ${to} does not end in .qcow2`, {
        hint: 'qcow2 is what "umbra export" writes; "umbra restore" writes raw files.',
      });
    }
    const volume = checkVolumeName(args.text('volume'));
    const result = await session.run(requests.export({ ...parseMachineVersion(args.text('MACHINE')), volume, to }));
    session.answer(result, () => {
      const { machine, shadowCopy, sizeBytes, fileBytes, seconds } = result;
      const sizes = `${formatBytes(sizeBytes)}, ${formatBytes(fileBytes)} in the file`;
      return `${machine}@${shadowCopy} ${volume} exported to ${to} in ${formatSeconds(seconds)}: ${sizes}\n`;
    });
    return 'OK';
  },
};
