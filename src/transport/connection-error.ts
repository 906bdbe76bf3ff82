import { isUmbraError, messageOf, systemCode, UmbraError } from '../common/errors.js';
import { serverUrl, type HostAndPort } from '../protocol/server-address.js';

/** OpenSSL's reasons for a certificate that another authority signed. */
const OTHER_AUTHORITY: readonly string[] = [
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_SIGNATURE_FAILURE',
];

const UNREACHABLE: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'nobody knows that name',
  EAI_AGAIN: 'the name could not be looked up',
  EHOSTUNREACH: 'there is no way to that machine',
  ENETUNREACH: 'there is no way to that network',
  ETIMEDOUT: 'it does not answer',
  ECONNRESET: 'it closed the connection',
  EPROTO: 'it does not speak TLS 1.3',
};

/** Why a server can't be spoken to, with what to do. */
export function connectionError(error: unknown, server: HostAndPort): UmbraError {
  if (isUmbraError(error)) return error;
  const code = systemCode(error) ?? '';
  if (OTHER_AUTHORITY.includes(code)) return otherAuthority(server, error);
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return new UmbraError('SERVER_UNKNOWN', `the certificate of ${serverUrl(server)} is not for ${server.host}`, {
      hint: 'Use a name that the server knows itself by, or add this one to "names" in its configuration.',
      cause: error,
    });
  }
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') {
    return new UmbraError('SERVER_UNKNOWN', `the certificate of ${serverUrl(server)} is not good at this time`, {
      hint: 'Compare the clocks of both machines; the server renews its certificate by itself as long as it runs.',
      cause: error,
    });
  }
  const why = UNREACHABLE[code] ?? messageOf(error);
  return new UmbraError('SERVER_UNREACHABLE', `the server ${serverUrl(server)} cannot be reached: ${why}`, {
    hint: 'Look whether "umbra serve --listen" runs there, at this port, and whether a firewall is in between.',
    cause: error,
  });
}

/** The server is not the one that a token or a log-in is for. */
export function otherAuthority(server: HostAndPort, cause?: unknown): UmbraError {
  const message = `${serverUrl(server)} is not the server that is known by that name: another authority signed its certificate`;
  return new UmbraError('SERVER_UNKNOWN', message, {
    hint: 'Nothing was sent to it. If the store was made anew, log in or enrol with a new token; otherwise somebody may be in between.',
    cause,
  });
}

/** It did not shake hands in time. */
export function silence(server: HostAndPort, limitMs: number): UmbraError {
  return new UmbraError(
    'SERVER_UNREACHABLE',
    `the server ${serverUrl(server)} did not answer within ${limitMs / 1000} s`,
    {
      hint: 'Look whether the address is right, and whether a firewall is in between.',
    },
  );
}
