import { requests } from '../../client/requests.js';
import { UmbraError } from '../../common/errors.js';
import { checkShareName, parseShareTarget } from '../../common/share-names.js';
import type { ShareInfo } from '../../protocol/shares-api.js';
import type { Args } from '../args.js';
import { flagOption, textOption, word, type Command } from '../command.js';
import type { Session } from '../session.js';
import { smbConfSection } from '../smb-conf.js';
import { formatTable } from '../table.js';

const ACTIONS = ['add', 'list', 'remove', 'smb-conf'] as const;

export const command: Command = {
  usage: '<ACTION> [NAME] [TARGET]',
  synopsis: 'add NAME MACHINE:PATH [--force] | list | remove NAME | smb-conf NAME|--all [--mount DIR]',
  description: `Show the shadow copies of a directory as previous versions on the network. "add" gives the directory PATH of a
machine's files a name; the path is the one in "files" of the mount, and the newest shadow copy must have it, unless --force is
given. Every mount then has it in ".shares/NAME": "live" is
the newest shadow copy's directory, ".snapshots" has that of each shadow copy under the name that Samba looks for.
"smb-conf" prints the section for Samba's smb.conf; Windows then shows the shadow copies under "Previous versions".`,
  examples: [
    ['umbra share add data web1:/vda1/srv/data', 'name a directory'],
    ['umbra mount /mnt/umbra --background --allow-other', 'smbd runs as the user who asks, so let others in'],
    ['umbra share smb-conf data >> /etc/samba/smb.conf', 'tell Samba of it'],
  ],
  next: 'Next: "umbra share list" shows what is shared; "smbcontrol smbd reload-config" makes Samba read its configuration again.',
  positionals: {
    ACTION: word('add, list, remove or smb-conf'),
    NAME: word('The name of the share'),
    TARGET: word('What is shared: MACHINE:PATH, as in web1:/vda1/srv/data'),
  },
  options: {
    force: flagOption('add: also if the newest shadow copy has no such directory'),
    all: flagOption('smb-conf: the sections of all shares'),
    mount: textOption('smb-conf: where the shadow copies are mounted; found out if they are'),
  },
  run: async (args, session) => {
    args.text('ACTION');
    switch (args.optionalChoice('ACTION', ACTIONS)) {
      case 'add':
        return await add(args, session);
      case 'remove':
        return await remove(args, session);
      case 'smb-conf':
        return await smbConf(args, session);
      default:
        return await list(args, session);
    }
  },
};

async function add(args: Args, session: Session): Promise<'OK'> {
  refuseSmbConfOptions(args, 'add');
  const name = checkShareName(args.text('NAME'));
  const request = { name, ...parseShareTarget(args.text('TARGET')), force: args.flag('force') };
  const share = await session.call(requests.addShare(request));
  session.answer(
    share,
    () => `${share.name} is ${target(share)}; "umbra share smb-conf ${share.name}" prints Samba's section\n`,
  );
  return 'OK';
}

async function list(args: Args, session: Session): Promise<'OK'> {
  refuseOptions(args, 'list');
  refuseTarget(args, 'list');
  if (args.optionalText('NAME') !== undefined) throw new UmbraError('BAD_ARGUMENT', '"list" takes no name');
  const shares = await session.call(requests.shares());
  session.answer(shares, () => {
    if (shares.length === 0) return 'Nothing is shared. "umbra share add NAME MACHINE:PATH" shares a directory.\n';
    return formatTable(
      [{ title: 'SHARE' }, { title: 'DIRECTORY' }],
      shares.map((share) => [share.name, target(share)]),
    );
  });
  return 'OK';
}

async function remove(args: Args, session: Session): Promise<'OK'> {
  refuseOptions(args, 'remove');
  refuseTarget(args, 'remove');
  const share = await session.call(requests.removeShare({ name: checkShareName(args.text('NAME')) }));
  session.answer(share, () => `${share.name} (${target(share)}) is no longer shared\n`);
  return 'OK';
}

async function smbConf(args: Args, session: Session): Promise<'OK'> {
  refuseTarget(args, 'smb-conf');
  refuseForce(args, 'smb-conf');
  const shares = chosen(args, await session.call(requests.shares()));
  const mountPoint = args.optionalText('mount') === undefined ? await mounted(session) : args.path('mount');
  const sections = shares.map((share) => ({ ...share, section: smbConfSection(share, mountPoint) }));
  session.answer(sections, () => sections.map(({ section }) => section).join('\n'));
  return 'OK';
}

function chosen(args: Args, shares: readonly ShareInfo[]): readonly ShareInfo[] {
  const name = args.optionalText('NAME');
  if (args.flag('all')) {
    if (name === undefined) return shares;
    throw new UmbraError('BAD_ARGUMENT', 'give the name of a share or --all, not both');
  }
  const wanted = checkShareName(args.text('NAME'));
  const share = shares.find((candidate) => candidate.name.toLowerCase() === wanted.toLowerCase());
  if (share !== undefined) return [share];
  throw new UmbraError('NOT_FOUND', `there is no share "${wanted}"`, {
    hint: 'Run "umbra share list" to see the shares.',
  });
}

/** Where the server of the store shows all shadow copies. */
async function mounted(session: Session): Promise<string> {
  const { mounts } = await session.call(requests.status());
  const all = mounts.find(({ machine }) => machine === undefined);
  if (all !== undefined) return all.mountPoint;
  throw new UmbraError('BAD_ARGUMENT', 'the shadow copies are not mounted, so it must be said where they will be', {
    hint: 'Give --mount DIR, or run "umbra mount DIR --background --allow-other" first.',
  });
}

function refuseOptions(args: Args, action: string): void {
  refuseForce(args, action);
  refuseSmbConfOptions(args, action);
}

function refuseForce(args: Args, action: string): void {
  if (args.flag('force')) throw new UmbraError('BAD_ARGUMENT', `--force is for "add", not for "${action}"`);
}

function refuseSmbConfOptions(args: Args, action: string): void {
  if (!args.flag('all') && args.optionalText('mount') === undefined) return;
  throw new UmbraError('BAD_ARGUMENT', `--all and --mount are for "smb-conf", not for "${action}"`);
}

function refuseTarget(args: Args, action: string): void {
  if (args.optionalText('TARGET') === undefined) return;
  throw new UmbraError('BAD_ARGUMENT', `"${action}" takes no directory`);
}

function target({ machine, path }: ShareInfo): string {
  return `${machine}:/${path}`;
}
