import { stat } from 'node:fs/promises';
import { requests } from '../../client/requests.js';
import { isUmbraError, messageOf, UmbraError } from '../../common/errors.js';
import { parseMachineVersion } from '../../common/names.js';
import type { MountInfo, MountRequest } from '../../protocol/server-api.js';
import type { MountEnd } from '../../protocol/wire.js';
import type { Args } from '../args.js';
import { flagOption, textOption, word, type Command } from '../command.js';
import type { Session } from '../session.js';

export const command: Command = {
  usage: '<MOUNTPOINT>',
  synopsis: 'MOUNTPOINT [--only MACHINE[@VERSION]] [--background] [--allow-other]',
  description: `Show every shadow copy as a directory of files, read-only: raw volumes, configuration, and what is known of how it
was made. New shadow copies appear by themselves. In the foreground the mount ends with the command, on Ctrl-C or
SIGTERM; with --background the command returns when the mount answers, and "umbra unmount" ends it. With --server the
mount is on this machine, and what is read comes from there.`,
  examples: [
    ['umbra mount /mnt/umbra --background', 'everything'],
    ['umbra mount /mnt/web1 --only web1', 'one machine'],
    ['cp --sparse=always /mnt/umbra/web1/latest/volumes/vda.raw .', 'bring a volume back'],
  ],
  next: 'Next: "umbra status" lists the mounts, "umbra unmount MOUNTPOINT" ends one.',
  positionals: { MOUNTPOINT: word('An empty directory') },
  options: {
    only: textOption('Show one machine (MACHINE) or one shadow copy (MACHINE@VERSION)'),
    background: flagOption('Return when the mount answers'),
    'allow-other': flagOption('Let other users in, as far as owners and modes of the files allow'),
  },
  run: async (args, session) => {
    const request = mountRequest(args);
    if (session.link !== undefined) {
      const { mountHere, mountHereInBackground } = await import('../mount-here.js');
      return await (request.leased ? mountHere : mountHereInBackground)(request, session.link, session);
    }
    return request.leased ? await foreground(request, session) : await background(request, session);
  },
};

function mountRequest(args: Args): MountRequest {
  const only = args.optionalText('only');
  const shown = only === undefined ? undefined : parseMachineVersion(only);
  return {
    mountPoint: args.path('MOUNTPOINT'),
    ...(shown === undefined ? {} : { machine: shown.machine }),
    ...(shown === undefined || only?.includes('@') === false ? {} : { version: shown.version }),
    allowOther: args.flag('allow-other'),
    leased: !args.flag('background'),
  };
}

async function background(request: MountRequest, session: Session): Promise<'OK'> {
  const info = await session.run(requests.mount(request));
  await answers(info.mountPoint);
  session.answer(info, () => `mounted at ${info.mountPoint}; "umbra unmount ${info.mountPoint}" ends it\n`);
  return 'OK';
}

async function foreground(request: MountRequest, session: Session): Promise<'OK'> {
  const { interrupted } = session.environment;
  const client = session.client(session.startOptions());
  const mount = await client.stream(requests.mount(request));
  const info: MountInfo = mount.result;
  const unmount = (): void => {
    const message = requests.unmount({ mountPoint: info.mountPoint, force: true });
    // When it fails because the mount is gone already, the stream says so.
    session
      .cleanupClient()
      .call(message)
      .catch(() => undefined);
  };
  interrupted.addEventListener('abort', unmount);
  if (interrupted.aborted) unmount();
  else await ready(info, session);
  const end = await mount.ended().catch((error: unknown) => {
    throw withoutServer(error, info.mountPoint);
  });
  await mount.close();
  session.environment.stderr.write(`${farewell(end)} ${info.mountPoint}\n`);
  return 'OK';
}

async function ready(info: MountInfo, session: Session): Promise<void> {
  await answers(info.mountPoint);
  session.answer(info, () => `mounted at ${info.mountPoint}; Ctrl-C unmounts\n`);
}

/** A server that dies leaves its mount to whoever comes next. */
function withoutServer(error: unknown, mountPoint: string): unknown {
  if (!isUmbraError(error, 'SERVER_UNREACHABLE')) return error;
  return new UmbraError('SERVER_UNREACHABLE', error.message, {
    hint: `"umbra unmount '${mountPoint}'" takes away what is left of the mount. ${error.hint ?? ''}`.trimEnd(),
    cause: error,
  });
}

function farewell(end: MountEnd): string {
  return end === 'stopping' ? 'the server was stopped: unmounted' : 'unmounted';
}

/** Ask the mount for something, as the first user of it would. */
async function answers(mountPoint: string): Promise<void> {
  try {
    await stat(mountPoint);
  } catch (cause) {
    throw new UmbraError('MOUNT_FAILED', `the mount at ${mountPoint} does not answer: ${messageOf(cause)}`, {
      hint: 'server.log in the directory of the store may say why.',
      cause,
    });
  }
}
