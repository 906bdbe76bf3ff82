import type { X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import { subjectOf } from '../certificates/subject.js';
import type { Clock } from '../common/clock.js';
import { UmbraError } from '../common/errors.js';
import { parseToken } from '../protocol/token.js';
import type { Identified } from './exchange.js';
import type { RemoteAccess } from './remote-access.js';
import { addressKey } from './address-key.js';

/** Who somebody at the HTTPS port is. */
export interface RemoteIdentity extends Identified {
  /** False as soon as he was removed or revoked. */
  readonly holds: () => boolean;
}

/**
 * Who sent a request, by the certificate of his connection, else by the token in the header. Undefined for who shows neither.
 * @throws {UmbraError} UNAUTHENTICATED, TOO_MANY_TRIES
 */
export function identifyRemote(
  request: IncomingMessage,
  remote: RemoteAccess,
  clock: Clock,
): RemoteIdentity | undefined {
  const { socket } = request;
  const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
  if (socket instanceof TLSSocket && certificate !== undefined)
    return byCertificate(socket, certificate, remote, clock);
  const { authorization } = request.headers;
  return authorization === undefined ? undefined : byToken(authorization, socket.remoteAddress ?? '', remote);
}

function byCertificate(
  socket: TLSSocket,
  certificate: X509Certificate,
  { authority, access }: RemoteAccess,
  clock: Clock,
): RemoteIdentity {
  if (!authority.hasIssued(certificate)) throw refused('is not of the authority of this server');
  // The machine's clock and the purpose are looked at by TLS itself.
  const isExpired = Date.parse(certificate.validTo) <= clock.now();
  if (isExpired || String(socket.authorizationError) === 'CERT_HAS_EXPIRED') {
    throw refused(`has expired on ${certificate.validTo}`);
  }
  if (!socket.authorized) throw refused(`is not for clients of it (${String(socket.authorizationError)})`);
  const subject = subjectOf(certificate);
  if (subject === undefined) throw refused('names no agent and no administrator');
  const serial = certificate.serialNumber.toLowerCase();
  const holds = (): boolean => access.isKnown(subject, serial);
  if (!holds()) throw refused('was revoked, or replaced by another one');
  if (subject.role === 'agent') access.saw(subject.host);
  return { caller: subject, serial, holds };
}

function byToken(authorization: string, address: string, { access, failedTries }: RemoteAccess): RemoteIdentity {
  refuseTooManyTries(address, failedTries);
  const token = parseToken(/^Bearer +(\S+)$/i.exec(authorization)?.[1] ?? '');
  const administrator = token?.kind === 'admin' ? access.administratorOf(token) : undefined;
  if (administrator === undefined) {
    failedTries.failed(addressKey(address));
    throw new UmbraError('UNAUTHENTICATED', 'the token is not known, or no longer', {
      hint: 'Give an administrator\'s token; "umbra token add NAME" on the server\'s machine makes one.',
    });
  }
  const { name, id } = administrator;
  const holds = (): boolean => access.administrators().some((entry) => entry.id === id);
  return { caller: { role: 'administrator', name }, holds };
}

/** @throws {UmbraError} TOO_MANY_TRIES: also a good token must wait then, or one could go on guessing */
export function refuseTooManyTries(address: string, failedTries: RemoteAccess['failedTries']): void {
  const waitMs = failedTries.waitMs(addressKey(address));
  if (waitMs === 0) return;
  const seconds = Math.ceil(waitMs / 1000);
  throw new UmbraError('TOO_MANY_TRIES', `too many wrong tokens came from ${address}`, {
    hint: `Try again in ${seconds} s, with the right one.`,
  });
}

function refused(why: string): UmbraError {
  return new UmbraError('UNAUTHENTICATED', `the client certificate ${why}`, {
    hint: 'Administrators get another one by "umbra login", agents by "umbra agent enrol".',
  });
}
