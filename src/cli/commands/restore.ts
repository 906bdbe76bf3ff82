import { requests } from '../../client/requests.js';
import { checkVolumeName, parseMachineVersion } from '../../common/names.js';
import type { RestoreResult, RestoreVolumeResult } from '../../protocol/api.js';
import { flagOption, textOption, word, type Command } from '../command.js';
import { formatBytes, formatSeconds, plural } from '../format.js';

export const command: Command = {
  usage: '<MACHINE>',
  synopsis: 'MACHINE[@VERSION] [--volume NAME] [--merge] --to FILE|DEVICE|DIR',
  description: `Write a volume of a shadow copy to a file or a device, or without --volume all volumes and the configuration
into a directory. Files are sparse. An existing file or device is compared and only the blocks that differ are written;
an interrupted restore goes on in the same way when it is started again. What is written is on the disk when the command ends.
The files of a machine that is protected with --as-is go under their own names, to each other as they lay; with --merge the disks
that they make up are written, through QEMU, with the files beside them meanwhile.`,
  examples: [
    ['umbra restore web1 --volume vda --to /srv/web1.raw', 'the latest state of a disk'],
    ['umbra restore web1@2026-11-22T10-15-00Z --volume vda --to /dev/vg0/web1', 'an older one, onto a device'],
    ['umbra restore web1 --to /srv/web1', 'all disks and the configuration'],
    ['umbra restore lab --merge --to /srv/lab', 'the disks of files that were stored as they are'],
  ],
  next: 'Next: for single files "umbra mount DIR" and cp do it; "umbra export" writes a qcow2 image.',
  positionals: {
    MACHINE: word(
      'The machine, and the name of a shadow copy, "replica" for the newest there is, or "latest", which is the default',
    ),
  },
  options: {
    volume: textOption('Only this volume'),
    merge: flagOption('Merge the files of each disk; --volume is then the name of a disk'),
    to: { ...textOption('A file or device for one volume, a directory for all'), demandOption: true },
  },
  run: async (args, session) => {
    const volume = args.optionalText('volume');
    const result = await session.run(
      requests.restore({
        ...parseMachineVersion(args.text('MACHINE')),
        to: args.path('to'),
        ...(volume === undefined ? {} : { volume: checkVolumeName(volume) }),
        ...(args.flag('merge') ? { merge: true } : {}),
      }),
    );
    session.answer(result, () => describe(result));
    return 'OK';
  },
};

function describe({ machine, shadowCopy, volumes, config, seconds }: RestoreResult): string {
  return [
    `${machine}@${shadowCopy} restored in ${formatSeconds(seconds)}`,
    ...volumes.map(describeVolume),
    ...config.map((path) => `  ${path}`),
    '',
  ].join('\n');
}

function describeVolume({
  name,
  to,
  sizeBytes,
  differential,
  writtenBlocks,
  writtenBytes,
}: RestoreVolumeResult): string {
  const written = differential
    ? `${plural(writtenBlocks, 'block')} differed and ${writtenBlocks === 1 ? 'was' : 'were'} written (${formatBytes(writtenBytes)})`
    : `${formatBytes(writtenBytes)} written`;
  return `  ${name} to ${to}: ${formatBytes(sizeBytes)}, ${written}`;
}
