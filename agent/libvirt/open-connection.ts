import { readFile, stat } from 'node:fs/promises';
import type { Clock } from '../../src/common/clock.js';
import { messageOf, systemCode, UmbraError } from '../../src/common/errors.js';
import type { LibvirtAddress } from './address.js';
import { AUTH, MAX_AUTH_TYPES, PROGRAM, REMOTE } from './protocol.js';
import { RpcConnection } from './rpc-connection.js';
import { XdrWriter, type XdrReader } from './xdr.js';

const NO_FLAGS = 0;

/**
 * Connect, show that we may, and open for reading and writing.
 * @throws {UmbraError} HYPERVISOR_UNREACHABLE, HYPERVISOR_DENIED, HYPERVISOR_FAILED
 */
export async function openConnection(address: LibvirtAddress, clock: Clock, timeoutMs: number): Promise<RpcConnection> {
  const connection = await connectFirst(address.sockets, clock, timeoutMs);
  const ask = (procedure: number, args: XdrWriter, what: string): Promise<XdrReader> =>
    connection.call({ program: PROGRAM.remote, procedure, args, timeoutMs, what });
  try {
    const types = await ask(REMOTE.authList, new XdrWriter(), 'say how to authenticate');
    await authenticate(
      types.list(MAX_AUTH_TYPES, () => types.uint()),
      ask,
    );
    const args = new XdrWriter().optionalString(address.name).uint(NO_FLAGS);
    await ask(REMOTE.connectOpen, args, `open ${address.name}`);
    return connection;
  } catch (error) {
    await connection.close();
    throw error;
  }
}

async function authenticate(
  types: readonly number[],
  ask: (procedure: number, args: XdrWriter, what: string) => Promise<XdrReader>,
): Promise<void> {
  if (types.length === 0 || types.includes(AUTH.none)) return;
  if (types.includes(AUTH.polkit)) {
    await ask(REMOTE.authPolkit, new XdrWriter(), 'authenticate with polkit');
    return;
  }
  throw new UmbraError('HYPERVISOR_DENIED', 'libvirt wants a password (SASL), which agents do not have', {
    hint: 'Set auth_unix_rw = "none" or "polkit" in /etc/libvirt/libvirtd.conf or virtqemud.conf.',
  });
}

/** The first socket on which somebody answers. */
async function connectFirst(sockets: readonly string[], clock: Clock, timeoutMs: number): Promise<RpcConnection> {
  const problems: string[] = [];
  for (const path of sockets) {
    try {
      return await RpcConnection.open(path, clock, timeoutMs);
    } catch (error) {
      if (systemCode(error) === 'EACCES') throw await denied(path, error);
      problems.push(messageOf(error));
    }
  }
  throw new UmbraError('HYPERVISOR_UNREACHABLE', `libvirt does not run: ${problems.join('; ')}`, {
    hint: 'Start it ("systemctl start libvirtd" or "virtqemud.socket"), or install it with "apt-get install libvirt-daemon-system".',
  });
}

async function denied(path: string, cause: unknown): Promise<UmbraError> {
  const group = await groupOf(path).catch(() => 'libvirt');
  return new UmbraError('HYPERVISOR_DENIED', `the agent may not connect to ${path}`, {
    hint: `Run the agent as root, or add its user to the group "${group}".`,
    cause,
  });
}

/** The name of the group that a socket belongs to. */
async function groupOf(path: string): Promise<string> {
  const { gid } = await stat(path);
  const lines = (await readFile('/etc/group', 'utf8')).split('\n').map((line) => line.split(':'));
  return lines.find(([, , id]) => id === String(gid))?.[0] ?? String(gid);
}
