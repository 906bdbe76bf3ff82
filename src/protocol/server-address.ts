import { isIP, isIPv6 } from 'node:net';
import { UmbraError } from '../common/errors.js';

/** Where servers listen unless it is said otherwise. */
export const DEFAULT_PORT = 7443;

/** Where a server listens, or is reached. */
export interface HostAndPort {
  /** A name or an address, without brackets. */
  readonly host: string;
  readonly port: number;
}

const DNS_NAME =
  /^(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/;

/** True if a certificate can be for `name`: a DNS name or an IP address. */
export function isServerName(name: string): boolean {
  return isIP(name) !== 0 || DNS_NAME.test(name);
}

/**
 * Reads `ADDRESS:PORT`, `[ADDRESS]:PORT` or `ADDRESS`, which is at the default port.
 * @throws {UmbraError} BAD_ARGUMENT
 */
export function parseHostAndPort(text: string): HostAndPort {
  if (isIPv6(text)) return { host: text, port: DEFAULT_PORT };
  const [, inBrackets, plain, digits] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host = inBrackets ?? plain ?? '';
  const port = digits === undefined ? DEFAULT_PORT : Number(digits);
  const isGood = inBrackets === undefined ? isServerName(host) : isIPv6(host);
  if (isGood && port <= 65_535) return { host, port };
  throw new UmbraError('BAD_ARGUMENT', `${JSON.stringify(text)} is not an address and a port`, {
    hint: `Write "0.0.0.0:${DEFAULT_PORT}", "[::]:${DEFAULT_PORT}" or "backup.example:${DEFAULT_PORT}".`,
  });
}

/** As {@link parseHostAndPort} reads it. */
export function formatHostAndPort({ host, port }: HostAndPort): string {
  return `${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

/**
 * Where a server is reached, from what people write: `https://backup.example:7443`, with or without the scheme and the port.
 * @throws {UmbraError} BAD_ARGUMENT
 */
export function parseServerUrl(text: string): HostAndPort {
  const rest = text.replace(/^https:\/\//i, '').replace(/\/$/, '');
  if (rest.includes('/')) {
    const isOther = /^[a-z]+:\/\//i.test(rest);
    throw new UmbraError('BAD_ARGUMENT', `${JSON.stringify(text)} is not the URL of a server`, {
      hint: isOther ? 'Servers are reached by https:// only.' : 'Write "https://NAME:PORT", without a path.',
    });
  }
  return parseHostAndPort(rest);
}

/** The one form in which a server's URL is shown and kept: `https://backup.example:7443`. */
export function serverUrl(address: HostAndPort): string {
  return `https://${formatHostAndPort({ ...address, host: address.host.toLowerCase() })}`;
}
