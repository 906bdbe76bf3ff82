import { requests } from '../../client/requests.js';
import { isUmbraError, UmbraError } from '../../common/errors.js';
import { checkMachineName } from '../../common/names.js';
import type { AgentBackupAnswer } from '../../protocol/agents-api.js';
import type { BackupRequest, BackupResult } from '../../protocol/api.js';
import type { Args } from '../args.js';
import type { Session } from '../session.js';
import { backupImages } from '../backup-images.js';
import { flagOption, textOption, textsOption, word, words, type Command } from '../command.js';
import { formatBytes, formatCount, formatSeconds, formatTime } from '../format.js';
import { formatTable } from '../table.js';

const FORMATS = ['raw', 'qcow2', 'vhdx', 'vmdk', 'vdi', 'vpc'] as const;

export const command: Command = {
  usage: '<MACHINE> [IMAGE..]',
  synopsis:
    'MACHINE [IMAGE...] [--name VOLUME=IMAGE]... [--config FILE]... [--format FORMAT] [--reread] | MACHINE --from-replica',
  description: `Make a shadow copy of a machine. Without images its agent makes it, while the machine runs ("umbra protect");
or it is made from its disk images: raw files, block devices, qcow2, VHDX, VMDK or VDI.
Only what the store does not have yet is stored. The images become the volumes vda, vdb, ... unless --name says otherwise.
The machine should be off, or the images should be snapshots: an image that changes while it is read is refused.
A store that does not exist is made. With --from-replica it is made of what was replicated last, at once and without the agent or its host: it has
the time and the consistency of the replica. With --server the images are read here, and what the server lacks is sent to it.`,
  examples: [
    ['umbra backup web1', 'by the agent of its host'],
    ['umbra backup web1 --from-replica', 'of what was replicated last, though its host is dead'],
    ['umbra backup web1 /var/lib/libvirt/images/web1.qcow2', 'one disk'],
    ['umbra backup db /dev/vg0/db --name data=/dev/vg0/db-data', 'two disks, the second as the volume "data"'],
    ['umbra backup web1 web1.raw --config web1.xml', 'keep the configuration too'],
  ],
  next: 'Next: "umbra list MACHINE" shows the shadow copy, "umbra mount DIR" its files.',
  positionals: {
    MACHINE: word('The name under which the machine is known'),
    IMAGE: words('Its disk images'),
  },
  options: {
    name: textsOption('VOLUME=IMAGE: the name of the volume that an image becomes; may be repeated'),
    config: textsOption('A configuration file to keep with the shadow copy; may be repeated'),
    format: { ...textOption('The format of the images, when it should not be found out'), choices: FORMATS },
    'from-replica': flagOption('Of the replica, without the agent'),
    reread: flagOption('Read also images whose size and times say that they did not change'),
  },
  run: async (args, session) => {
    if (args.flag('from-replica')) return await keepReplica(args, session);
    if (hasNoImages(args)) return await backUpByAgent(args, session);
    const absolute = (path: string): string => args.absolute(path);
    const request = {
      machine: checkMachineName(args.text('MACHINE')),
      images: backupImages(args.texts('IMAGE'), args.texts('name'), args.optionalChoice('format', FORMATS), absolute),
      configs: args.texts('config').map(absolute),
      reread: args.flag('reread'),
    };
    const result = await backUpImages(request, session);
    session.answer(result, () => describe(result));
    return 'OK';
  },
};

/** The server of a store here reads the images itself; to one elsewhere they are sent. */
async function backUpImages(request: BackupRequest, session: Session): Promise<BackupResult> {
  const { link } = session;
  if (link === undefined) return await session.run(requests.backup(request), { mode: 'may' });
  const { sendImages } = await import('../../backup/send-images.js');
  const { clock, interrupted: signal } = session.environment;
  return await session.withProgress((progress) => sendImages({ link, request, clock, signal, progress }));
}

/** True if nothing is said but the machine. */
function hasNoImages(args: Args): boolean {
  const said = [...args.texts('IMAGE'), ...args.texts('name'), ...args.texts('config')];
  return said.length === 0 && args.optionalText('format') === undefined && !args.flag('reread');
}

async function keepReplica(args: Args, session: Session): Promise<'OK'> {
  if (!hasNoImages(args)) throw new UmbraError('BAD_ARGUMENT', '--from-replica reads no images: name only the machine');
  const machine = checkMachineName(args.text('MACHINE'));
  const result = await session.call(requests.keepReplica({ machine }));
  const { shadowCopy, consistency, time } = result.shadowCopy;
  session.answer(result, () =>
    result.isNew
      ? `${machine}@${shadowCopy} made of the replica, ${consistency} consistency, as of ${formatTime(time)}\n`
      : `${machine}@${shadowCopy} is as new as what was replicated last: nothing to do\n`,
  );
  return 'OK';
}

async function backUpByAgent(args: Args, session: Session): Promise<'OK'> {
  const machine = checkMachineName(args.text('MACHINE'));
  const result = await session.run(requests.backupByAgent({ machine })).catch((error: unknown) => {
    if (!isUmbraError(error, 'NOT_FOUND', 'STORE_NOT_FOUND')) throw error;
    // Its agent may not find it any more, and says what to do then.
    if (error.code === 'NOT_FOUND' && !error.message.includes('is not protected')) throw error;
    const hint = `Name its disk images: umbra backup ${machine} IMAGE...; or have its agent do it: umbra protect ${machine}`;
    throw new UmbraError(error.code, error.message, { hint, cause: error });
  });
  session.answer(result, () => describeByAgent(result));
  return 'OK';
}

function describeByAgent(result: AgentBackupAnswer): string {
  const { machine, shadowCopy, host, tracker, trackerReason, consistency, pauseMs, readBytes, sentBytes } = result;
  // The reasons are long, and the same each time.
  const why = trackerReason === undefined ? [] : [`  why no better tracker: umbra machines ${machine}`];
  return [
    `${machine}@${shadowCopy} made by the agent of ${host} in ${formatSeconds(result.seconds)}`,
    `  tracker ${tracker}, ${consistency} consistency, pause ${formatCount(Math.round(pauseMs))} ms`,
    `  ${formatBytes(readBytes)} read, ${formatBytes(sentBytes)} sent`,
    ...why,
    ...result.notes.map((note) => `  ${note}`),
    '',
  ].join('\n');
}

function describe({ machine, shadowCopy, volumes, seconds }: BackupResult): string {
  const columns = [
    { title: 'VOLUME' },
    { title: 'SIZE', right: true },
    { title: 'DATA', right: true },
    { title: 'CHANGED', right: true },
    { title: 'NEW CHUNKS', right: true },
    { title: 'NEW', right: true },
    { title: 'STORED', right: true },
  ];
  const rows = volumes.map((volume) => [
    volume.name,
    formatBytes(volume.sizeBytes),
    formatBytes(volume.dataBytes),
    formatBytes(volume.changedBytes),
    formatCount(volume.newChunks),
    formatBytes(volume.newBytes),
    formatBytes(volume.storedBytes),
  ]);
  return `${machine}@${shadowCopy} made in ${formatSeconds(seconds)}\n${formatTable(columns, rows)}`;
}
