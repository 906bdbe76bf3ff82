import { makeCertificateRequest } from '../certificates/certificate-request.js';
import { makeKey } from '../certificates/key-pair.js';
import type { Clock } from '../common/clock.js';
import { UmbraError } from '../common/errors.js';
import type { CertificateAnswer } from '../protocol/access-api.js';
import { serverUrl, type HostAndPort } from '../protocol/server-address.js';
import { requireToken } from '../protocol/token.js';
import { readJson } from '../transport/answer.js';
import { findAuthority } from '../transport/find-authority.js';
import { HttpsTransport } from '../transport/https-transport.js';
import type { Login, Logins } from './logins.js';
import { requests } from './requests.js';

/** The way to a server for who has an administrator's token. @throws {UmbraError} BAD_ARGUMENT, SERVER_UNKNOWN, SERVER_UNREACHABLE */
export async function connectWithToken(server: HostAndPort, text: string): Promise<HttpsTransport> {
  const { authority: fingerprint } = requireToken(text, 'admin');
  const authority = await findAuthority(server, fingerprint);
  return new HttpsTransport({ server, authority, credentials: { kind: 'token', token: text.trim() } });
}

/**
 * The way to a server that the user has logged in to. A certificate that is past half of its life is renewed on the way.
 * @throws {UmbraError} UNAUTHENTICATED when its certificate has expired
 */
export async function connectWithLogin(
  login: Login,
  server: HostAndPort,
  logins: Logins,
  clock: Clock,
): Promise<HttpsTransport> {
  const nowMs = clock.now();
  if (login.expiresMs <= nowMs) {
    throw new UmbraError(
      'UNAUTHENTICATED',
      `the log-in to ${login.url} has expired on ${new Date(login.expiresMs).toISOString()}`,
      {
        hint: `Run "umbra login ${login.url}" with an administrator's token.`,
      },
    );
  }
  const transport = transportOf(login, server);
  if (nowMs - login.issuedMs < (login.expiresMs - login.issuedMs) / 2) return transport;
  try {
    const renewed = await askForLogin(transport, server, clock);
    await logins.save(renewed);
    return transportOf(renewed, server);
  } catch {
    // It is good for a while yet; what is asked for next says what is wrong, if something is.
    return transport;
  }
}

/**
 * Get a client certificate for a new key.
 * @param transport with a token, or with the certificate that is to be renewed
 * @throws {UmbraError} what the server says
 */
export async function askForLogin(transport: HttpsTransport, server: HostAndPort, clock: Clock): Promise<Login> {
  const key = await makeKey();
  const message = requests.login({ request: await makeCertificateRequest(key) });
  const answer = (await readJson(await transport.send(message))) as CertificateAnswer;
  const { name, certificate, authority, expires } = answer;
  return {
    url: serverUrl(server),
    name,
    authority,
    certificate,
    key,
    issuedMs: clock.now(),
    expiresMs: Date.parse(expires),
  };
}

function transportOf({ authority, key, certificate }: Login, server: HostAndPort): HttpsTransport {
  return new HttpsTransport({ server, authority, credentials: { kind: 'certificate', key, certificate } });
}
