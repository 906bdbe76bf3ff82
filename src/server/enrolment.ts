import { readCertificateRequest } from '../certificates/certificate-request.js';
import { DAY_MS } from '../certificates/issue.js';
import type { Subject } from '../certificates/subject.js';
import type { Clock } from '../common/clock.js';
import { isUmbraError, UmbraError } from '../common/errors.js';
import type { Log } from '../common/log.js';
import type { CertificateAnswer, EnrolRequest } from '../protocol/access-api.js';
import { requireToken } from '../protocol/token.js';
import { addressKey } from './address-key.js';
import type { Exchange } from './exchange.js';
import type { RemoteAccess } from './remote-access.js';
import { refuseTooManyTries } from './remote-identity.js';

const AGENT_LIFE_MS = DAY_MS;
const ADMINISTRATOR_LIFE_MS = 30 * DAY_MS;

interface Tools {
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Let in the agent of a host that has a join token for it. The token is used up, durably, before the certificate is given:
 * when the answer is lost, the host is invited again.
 * @throws {UmbraError} UNAUTHENTICATED, TOO_MANY_TRIES, BAD_ARGUMENT
 */
export async function enrolAgent(
  remote: RemoteAccess,
  { token: text, host, request }: EnrolRequest,
  { request: message }: Pick<Exchange, 'request'>,
  { log }: Tools,
): Promise<CertificateAnswer> {
  const { access, authority, failedTries } = remote;
  const address = message.socket.remoteAddress ?? '';
  refuseTooManyTries(address, failedTries);
  try {
    const token = requireToken(text, 'join');
    refuseOtherHost(access.hostOf(token), host);
    const publicKey = await readCertificateRequest(request);
    const { pem, serial, expiresMs } = await authority.issueClient(publicKey, { role: 'agent', host }, AGENT_LIFE_MS);
    await access.enrol(token, { serial, expiresMs });
    log.info('agent enrolled', { host, address });
    return { name: host, certificate: pem, authority: authority.pem, expires: new Date(expiresMs).toISOString() };
  } catch (error) {
    if (isUmbraError(error, 'UNAUTHENTICATED')) failedTries.failed(addressKey(address));
    throw error;
  }
}

/**
 * A further certificate for an agent or administrator who has shown who he is.
 * @throws {UmbraError} UNAUTHENTICATED when he was revoked meanwhile, BAD_ARGUMENT
 */
export async function issueCertificate(
  { access, authority }: RemoteAccess,
  request: string,
  { caller, serial: presented }: Pick<Exchange, 'caller' | 'serial'>,
  { clock, log }: Tools,
): Promise<CertificateAnswer> {
  if (caller === undefined || caller.role === 'owner')
    throw new UmbraError('INTERNAL', 'nobody asks for a certificate');
  const subject: Subject = caller;
  const publicKey = await readCertificateRequest(request);
  const lifeMs = subject.role === 'agent' ? AGENT_LIFE_MS : administratorLifeMs(access, subject.name, clock);
  const { pem, serial, expiresMs } = await authority.issueClient(publicKey, subject, lifeMs);
  await access.addCertificate(subject, { serial, expiresMs }, presented);
  const name = subject.role === 'agent' ? subject.host : subject.name;
  log.info('certificate issued', { role: subject.role, name });
  return { name, certificate: pem, authority: authority.pem, expires: new Date(expiresMs).toISOString() };
}

/** A certificate is good no longer than the token that it came from. */
function administratorLifeMs(access: RemoteAccess['access'], name: string, clock: Clock): number {
  const expiresMs = access.administrators().find((entry) => entry.name === name)?.expiresMs;
  return expiresMs === undefined ? ADMINISTRATOR_LIFE_MS : Math.min(ADMINISTRATOR_LIFE_MS, expiresMs - clock.now());
}

function refuseOtherHost(invited: string, host: string): void {
  if (invited === host) return;
  throw new UmbraError('UNAUTHENTICATED', `the join token is not for the host ${host}`, {
    hint: `Use it on the host that it was made for, or give that host's name there with --host.`,
  });
}
