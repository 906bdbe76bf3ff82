import { readdir, readFile, readlink } from 'node:fs/promises';

/** The Unix sockets of a server. */
export interface ServerSockets {
  /** The process listens under that name. */
  readonly listens: boolean;
  /** Connections that were made by that name and are not closed on the server's side, those among them that it has not accepted yet. */
  readonly connections: number;
}

/** __SO_ACCEPTCON of the kernel. */
const LISTENS = 0x1_0000;
/** Number, references, protocol, flags, type, state, inode and path. */
const LINE = /^\w+: \w+ \w+ (\w+) \w+ \w+ +(\d+) (.*)$/;

/**
 * What the kernel lists of a server by the name that it was bound to, which stays there when the name is deleted. Nobody can connect then any more.
 * @param path - as the server was told it
 */
export async function serverSockets(pid: number, path: string): Promise<ServerSockets> {
  const own = await socketsOf(pid);
  const list = await readFile(`/proc/${pid}/net/unix`, 'utf8').catch(() => '');
  let [listens, connections] = [false, 0];
  for (const line of list.split('\n')) {
    const [, flags = '', inode = '', name] = LINE.exec(line) ?? [];
    if (name !== path) continue;
    if ((Number.parseInt(flags, 16) & LISTENS) === 0) connections += 1;
    else listens ||= own.has(inode);
  }
  return { listens, connections };
}

/** By inode; none of a process that has ended, or that this one may not look into. */
async function socketsOf(pid: number): Promise<ReadonlySet<string>> {
  const directory = `/proc/${pid}/fd`;
  const descriptors = await readdir(directory).catch(() => []);
  const targets = await Promise.all(descriptors.map((fd) => readlink(`${directory}/${fd}`).catch(() => '')));
  return new Set(targets.flatMap((target) => /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? []));
}
