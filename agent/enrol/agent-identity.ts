import { access, constants, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeCertificateRequest } from '../../src/certificates/certificate-request.js';
import { makeKey } from '../../src/certificates/key-pair.js';
import type { Clock } from '../../src/common/clock.js';
import { isUmbraError, messageOf, systemCode, UmbraError } from '../../src/common/errors.js';
import type { CertificateAnswer } from '../../src/protocol/access-api.js';
import { parseServerUrl, serverUrl, type HostAndPort } from '../../src/protocol/server-address.js';
import { requireToken } from '../../src/protocol/token.js';
import { writeDurably } from '../../src/system/durable-file.js';
import { makeDirectories } from '../../src/system/make-directory.js';
import { syncDirectory } from '../../src/system/sync-directory.js';
import { readJson } from '../../src/transport/answer.js';
import { findAuthority } from '../../src/transport/find-authority.js';
import { HttpsTransport } from '../../src/transport/https-transport.js';

const FILE = 'identity.json';

/** Who an agent is, and who its server: all that it keeps of its enrolment, in one file, so that it is never half of one. */
export interface AgentIdentity {
  readonly host: string;
  /** The server's URL. */
  readonly server: string;
  /** In PEM: the certificate of the server's authority, the agent's certificate and its key. */
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
  readonly issuedMs: number;
  readonly expiresMs: number;
}

const TEXTS = ['host', 'server', 'authority', 'certificate', 'key'] as const;
const TIMES = ['issuedMs', 'expiresMs'] as const;

export interface EnrolOptions {
  readonly server: HostAndPort;
  /** A join token, as "umbra agent invite" prints it. */
  readonly token: string;
  /** The host's name, which the token must be for. */
  readonly host: string;
  /** Absolute; where the identity is kept. */
  readonly directory: string;
  readonly clock: Clock;
}

/**
 * Enrol this host's agent: whom it speaks to follows from the token, which no other server is given.
 * @throws {UmbraError} BAD_ARGUMENT, UNAUTHENTICATED, SERVER_UNKNOWN, SERVER_UNREACHABLE, TOO_MANY_TRIES
 */
export async function enrolAgent({ server, token, host, directory, clock }: EnrolOptions): Promise<AgentIdentity> {
  const { authority: fingerprint } = requireToken(token, 'join');
  // Before the token is used up: what can't be kept must not be asked for.
  await prepareDirectory(directory);
  const authority = await findAuthority(server, fingerprint);
  const transport = new HttpsTransport({ server, authority, credentials: { kind: 'none' } });
  const body = { token: token.trim(), host };
  try {
    const identity = await requestCertificate(transport, '/v1/agents/enrol', body, serverUrl(server), clock);
    await save(directory, identity);
    return identity;
  } catch (error) {
    throw isUmbraError(error, 'SERVER_UNREACHABLE') ? maybeUsedUp(error, host) : error;
  } finally {
    transport.close();
  }
}

/** The token may be used up though no answer came: whoever has it can't know. */
function maybeUsedUp(error: UmbraError, host: string): UmbraError {
  return new UmbraError(error.code, error.message, {
    hint:
      'The server may have used the token up before it broke off. Run this once more when it is there again; ' +
      `if the token "was used already", "umbra agent invite ${host}" on the server makes another one.`,
    cause: error,
  });
}

/**
 * Get a new certificate for a new key, with the present one, and keep it.
 * @throws {UmbraError} UNAUTHENTICATED when the agent was revoked; SERVER_UNREACHABLE, SERVER_UNKNOWN
 */
export async function renewIdentity(identity: AgentIdentity, directory: string, clock: Clock): Promise<AgentIdentity> {
  const transport = agentTransport(identity);
  const renewed = await requestCertificate(transport, '/v1/agents/renew', {}, identity.server, clock);
  await save(directory, renewed);
  transport.close();
  return renewed;
}

/** When a certificate is to be renewed: at two thirds of its life, so that a server that is away for hours does no harm. */
export function renewalTimeMs({ issuedMs, expiresMs }: Pick<AgentIdentity, 'issuedMs' | 'expiresMs'>): number {
  return issuedMs + ((expiresMs - issuedMs) * 2) / 3;
}

/** The way to an agent's server, as that agent. */
export function agentTransport({ server, authority, key, certificate }: AgentIdentity): HttpsTransport {
  const credentials = { kind: 'certificate', key, certificate } as const;
  return new HttpsTransport({ server: parseServerUrl(server), authority, credentials });
}

/** @throws {UmbraError} NOT_ENROLLED, BAD_ARGUMENT for a file that is damaged or can't be read */
export async function loadIdentity(directory: string): Promise<AgentIdentity> {
  const file = join(directory, FILE);
  try {
    const value: unknown = JSON.parse(await readFile(file, 'utf8'));
    if (isIdentity(value)) return value;
  } catch (cause) {
    if (systemCode(cause) === 'ENOENT') {
      throw new UmbraError('NOT_ENROLLED', `there is no enrolment in ${directory}`, {
        hint: '"umbra agent invite HOST" on the server prints the command that enrols this host.',
      });
    }
    if (systemCode(cause) !== undefined) {
      throw new UmbraError('BAD_ARGUMENT', `${file} cannot be read: ${messageOf(cause)}`, { cause });
    }
  }
  throw new UmbraError('BAD_ARGUMENT', `${file} is damaged`, { hint: 'Enrol the host again, with a new join token.' });
}

async function requestCertificate(
  transport: HttpsTransport,
  path: string,
  body: { readonly token?: string; readonly host?: string },
  server: string,
  clock: Clock,
): Promise<AgentIdentity> {
  const key = await makeKey();
  const issuedMs = clock.now();
  const request = await makeCertificateRequest(key);
  const answer = await readJson(await transport.send({ method: 'POST', path, body: { ...body, request } }));
  const { name: host, certificate, authority, expires } = answer as CertificateAnswer;
  return { host, server, authority, certificate, key, issuedMs, expiresMs: Date.parse(expires) };
}

async function prepareDirectory(directory: string): Promise<void> {
  try {
    for (const made of await makeDirectories(directory)) await syncDirectory(dirname(made));
    await access(directory, constants.W_OK);
  } catch (cause) {
    throw new UmbraError('BAD_ARGUMENT', `${directory} cannot be written: ${messageOf(cause)}`, {
      hint: 'Run this as root, or give a directory of yours with --state.',
      cause,
    });
  }
}

async function save(directory: string, identity: AgentIdentity): Promise<void> {
  await writeDurably(join(directory, FILE), `${JSON.stringify(identity, undefined, 2)}\n`);
}

function isIdentity(value: unknown): value is AgentIdentity {
  if (typeof value !== 'object' || value === null) return false;
  const fields = new Map<string, unknown>(Object.entries(value));
  return (
    TEXTS.every((name) => typeof fields.get(name) === 'string') &&
    TIMES.every((name) => typeof fields.get(name) === 'number')
  );
}
