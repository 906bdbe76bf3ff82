import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { connect, type DetailedPeerCertificate, type TLSSocket } from 'node:tls';
import { fingerprintOf } from '../certificates/fingerprint.js';
import type { HostAndPort } from '../protocol/server-address.js';
import { connectionError, otherAuthority, silence } from './connection-error.js';
import { CONNECT_TIMEOUT_MS } from './https-transport.js';

/** Longer chains are not ours. */
const MOST_CERTIFICATES = 4;

/**
 * The certificate of a server's authority, in PEM, by its fingerprint: the server shows it with its own. Nothing is sent
 * to the server, and nothing of it believed but what has that fingerprint.
 * @throws {UmbraError} SERVER_UNKNOWN when it has another one, SERVER_UNREACHABLE
 */
export function findAuthority(
  server: HostAndPort,
  fingerprint: string,
  timeoutMs = CONNECT_TIMEOUT_MS,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      ...server,
      ...(isIP(server.host) === 0 ? { servername: server.host } : {}),
      minVersion: 'TLSv1.3',
      // Who the server is shows in the next connection, with the authority found here.
      rejectUnauthorized: false,
    });
    const timer = setTimeout(() => {
      socket.destroy(silence(server, timeoutMs));
    }, timeoutMs);
    socket.once('secureConnect', () => {
      const found = authorityIn(socket, fingerprint);
      if (found === undefined) reject(otherAuthority(server));
      else resolve(found);
      socket.destroy();
    });
    socket.once('error', (error) => {
      reject(connectionError(error, server));
    });
    socket.once('close', () => {
      clearTimeout(timer);
      reject(connectionError({ code: 'ECONNRESET' }, server));
    });
  });
}

function authorityIn(socket: TLSSocket, fingerprint: string): string | undefined {
  let shown: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  for (let depth = 0; depth < MOST_CERTIFICATES && shown?.raw !== undefined; depth += 1) {
    const certificate = new X509Certificate(shown.raw);
    if (fingerprintOf(certificate) === fingerprint) return certificate.toString();
    shown = shown.issuerCertificate === shown ? undefined : shown.issuerCertificate;
  }
  return undefined;
}
