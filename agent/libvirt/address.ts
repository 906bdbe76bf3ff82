import { isAbsolute } from 'node:path';
import { UmbraError } from '../../src/common/errors.js';

/** Where libvirt may answer. */
export interface LibvirtAddress {
  /** Absolute paths of sockets; the first one on which somebody answers is taken. */
  readonly sockets: readonly string[];
  /** What to open there: `qemu:///system`. */
  readonly name: string;
}

/** The environment of this process, as far as it decides where libvirt is. */
export interface AddressEnvironment {
  /** XDG_RUNTIME_DIR. */
  readonly runtimeDirectory: string | undefined;
}

const SYSTEM = 'qemu:///system';
const SESSION = 'qemu:///session';

/**
 * Understand how a configuration names libvirt: `auto` (this host's), a URI, or a socket's path.
 * Both kinds of daemons are tried, the one for QEMU alone (virtqemud) before the one for everything (libvirtd).
 * @throws {UmbraError} BAD_ARGUMENT
 */
export function libvirtAddress(text: string, environment: AddressEnvironment): LibvirtAddress {
  if (isAbsolute(text)) return { sockets: [text], name: SYSTEM };
  if (text === 'auto' || text === SYSTEM) return { sockets: socketsIn('/run/libvirt'), name: SYSTEM };
  const url = parseUri(text);
  const name = `qemu://${url.pathname}`;
  if (name !== SYSTEM && name !== SESSION) throw refuse(text);
  const socket = url.searchParams.get('socket');
  if (socket !== null && isAbsolute(socket)) return { sockets: [socket], name };
  if (name === SYSTEM) return libvirtAddress(SYSTEM, environment);
  const { runtimeDirectory } = environment;
  if (runtimeDirectory === undefined) {
    throw new UmbraError('BAD_ARGUMENT', `${text} needs a session: XDG_RUNTIME_DIR is not set`, {
      hint: `Name the socket: qemu+unix:///session?socket=PATH.`,
    });
  }
  return { sockets: socketsIn(`${runtimeDirectory}/libvirt`), name };
}

function parseUri(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // A host would be another machine's libvirt: agents look after their own.
  if (url?.host !== '' || !['qemu:', 'qemu+unix:'].includes(url.protocol)) throw refuse(text);
  return url;
}

function refuse(text: string): UmbraError {
  return new UmbraError('BAD_ARGUMENT', `libvirt can't be reached by "${text}"`, {
    hint: 'Say auto, qemu:///system, qemu:///session, qemu+unix:///system?socket=PATH, or the path of a socket.',
  });
}

function socketsIn(directory: string): string[] {
  return [`${directory}/virtqemud-sock`, `${directory}/libvirt-sock`];
}
