import { requests } from '../../client/requests.js';
import { checkHostName, checkMachineName, checkVolumeName } from '../../common/names.js';
import { flagOption, textOption, textsOption, word, type Command } from '../command.js';

const TRACKERS = ['auto', 'qemu-bitmap', 'filter', 'differencing', 'scan'] as const;

export const command: Command = {
  usage: '<MACHINE>',
  synopsis: 'MACHINE [--host HOST] [--as NAME] [--volume VOLUME]... [--tracker TRACKER] [--as-is]',
  description: `Protect a machine that an agent sees: from then on its agent follows its changes and makes its shadow copies.
The tracker says how: "qemu-bitmap" by QEMU itself, "filter" by a file system that the images lie in, "differencing" by overlays
that it puts on the images, "scan" by reading everything and comparing; "auto" takes the best that works without overlays.
With --as-is the files of each disk, raw images and qcow2 overlays, are stored as they lie, and only those that changed are read; while
the machine runs, where "differencing" can put overlays on its images. "umbra restore --merge" makes disks of them.
Given again, it changes how the machine is protected.`,
  examples: [
    ['umbra protect web1', 'all of its volumes'],
    ['umbra protect db --volume vda --volume vdb', 'not its scratch disk'],
    ['umbra protect lab --as-is', 'its overlays one by one: each is stored once'],
    ['umbra protect "Web Server" --host hv2 --as web2', 'with a name that does for the store'],
  ],
  next: 'Next: "umbra jobs --next" says when "umbra serve" makes its shadow copies, "umbra backup MACHINE" makes one at once.',
  positionals: { MACHINE: word('Its name on its host, or its UUID, as "umbra machines" shows') },
  options: {
    host: textOption('The host, where several have a machine of that name; or where it has moved to'),
    as: textOption('Its name in the store, if not the same'),
    volume: textsOption('Only this volume; may be repeated'),
    tracker: { ...textOption('How to follow its changes'), choices: TRACKERS },
    'as-is': flagOption('Store the files of its disks as they lie, each as a volume of its own'),
  },
  run: async (args, session) => {
    const host = args.optionalText('host');
    const name = args.optionalText('as');
    const volumes = args.texts('volume').map(checkVolumeName);
    const tracker = args.optionalChoice('tracker', TRACKERS);
    const info = await session.call(
      requests.protect({
        machine: args.text('MACHINE'),
        ...(host === undefined ? {} : { host: checkHostName(host) }),
        ...(name === undefined ? {} : { as: checkMachineName(name) }),
        ...(volumes.length === 0 ? {} : { volumes }),
        ...(tracker === undefined ? {} : { tracker }),
        ...(args.flag('as-is') ? { asIs: true } : {}),
      }),
    );
    session.answer(info, () => `${info.hostName} on ${info.host} is protected as ${info.machine ?? ''}\n`);
    return 'OK';
  },
};
