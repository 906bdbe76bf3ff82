import { spawn, type ChildProcess } from 'node:child_process';
import { open, type FileHandle } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { messageOf, UmbraError } from '../common/errors.js';
import type { MountInfo, MountRequest } from '../protocol/server-api.js';
import { fromWireError, isWireError } from '../protocol/wire-error.js';
import { logFrom, stderrLog } from '../system/line-log.js';
import { makeDirectories } from '../system/make-directory.js';
import type { RemoteSession } from './remote-session.js';
import type { Session } from './session.js';
import { nonEmpty } from './store-path.js';

/** Mount a server elsewhere on this machine, in this process, until the user has had enough or somebody unmounts it. */
export async function mountHere(request: MountRequest, link: RemoteSession, session: Session): Promise<'OK'> {
  const { clock, interrupted, stderr } = session.environment;
  const { remoteMount } = await import('../remote/remote-mount.js');
  // It stands in no directory that somebody may want to unmount.
  process.chdir('/');
  let mountPoint = '';
  await remoteMount({
    link,
    request,
    clock,
    log: logFrom('warn', stderrLog(clock)),
    signal: interrupted,
    onMounted: (info) => {
      ({ mountPoint } = info);
      session.answer(info, () => `mounted at ${mountPoint}; Ctrl-C unmounts\n`);
    },
  });
  stderr.write(`unmounted ${mountPoint}\n`);
  return 'OK';
}

/** The same in a process of its own, which writes what goes wrong to a log of the user's. */
export async function mountHereInBackground(
  request: MountRequest,
  link: RemoteSession,
  session: Session,
): Promise<'OK'> {
  const { umbraProgram, variables } = session.environment;
  const log = await openLog(session);
  try {
    const child = spawn(process.execPath, [umbraProgram, ...commandLine(request, link, session)], {
      cwd: '/',
      detached: true,
      env: { ...variables },
      stdio: ['ignore', 'pipe', log.fd],
    });
    const info = await mounted(child);
    session.answer(info, () => `mounted at ${info.mountPoint}; "umbra unmount ${info.mountPoint}" ends it\n`);
    return 'OK';
  } finally {
    await log.close();
  }
}

function commandLine(
  { mountPoint, machine, version, allowOther }: MountRequest,
  link: RemoteSession,
  session: Session,
): string[] {
  const only = version === undefined ? machine : `${machine ?? ''}@${version}`;
  return [
    'mount',
    mountPoint,
    '--json',
    '--server',
    link.url,
    ...(link.tokenFile === undefined ? [] : ['--token-file', resolve(session.environment.directory, link.tokenFile)]),
    ...(only === undefined ? [] : ['--only', only]),
    ...(allowOther ? ['--allow-other'] : []),
  ];
}

/** The one document that the process prints when its mount answers, or when that fails. @throws {UmbraError} */
async function mounted(child: ChildProcess): Promise<MountInfo> {
  const { stdout } = child;
  if (stdout === null) throw new UmbraError('INTERNAL', 'the process of the mount has no output');
  const failed = new Promise<never>((_resolve, reject) => {
    child.once('error', (cause) => {
      reject(
        new UmbraError('MOUNT_FAILED', `the process of the mount cannot be started: ${messageOf(cause)}`, { cause }),
      );
    });
  });
  try {
    const document = await Promise.race([failed, firstDocument(stdout)]);
    if (typeof document === 'object' && document !== null) {
      if ('mountPoint' in document) return document as MountInfo;
      if ('error' in document && isWireError(document.error)) throw fromWireError(document.error);
    }
    throw new UmbraError('MOUNT_FAILED', 'the process of the mount ended before it answered', {
      hint: 'mounts.log in the directory umbra of $XDG_STATE_HOME (~/.local/state) may say why.',
    });
  } finally {
    // Nothing of the child may keep this process alive.
    child.unref();
    stdout.destroy();
  }
}

async function firstDocument(stream: NodeJS.ReadableStream): Promise<unknown> {
  let said = '';
  for await (const part of stream.setEncoding('utf8')) {
    said += String(part);
    // It ends where its last brace stands alone in a line.
    if (said.endsWith('\n}\n')) break;
  }
  try {
    return JSON.parse(said) as unknown;
  } catch {
    return undefined;
  }
}

async function openLog({ environment: { variables, home } }: Session): Promise<FileHandle> {
  const file = join(nonEmpty(variables['XDG_STATE_HOME']) ?? join(home, '.local', 'state'), 'umbra', 'mounts.log');
  try {
    await makeDirectories(dirname(file));
    return await open(file, 'a', 0o600);
  } catch (cause) {
    throw new UmbraError('MOUNT_FAILED', `${file} cannot be written: ${messageOf(cause)}`, { cause });
  }
}
