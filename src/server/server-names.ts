import { hostname, networkInterfaces } from 'node:os';
import { isIP } from 'node:net';
import { isServerName } from '../protocol/server-address.js';

/** What a server that listens at these addresses is reached by; the certificate is for these. */
export function serverNames(listen: string, configured: readonly string[]): readonly string[] {
  const own = hostname();
  const isEverywhere = listen === '0.0.0.0' || listen === '::';
  const names = [
    'localhost',
    '127.0.0.1',
    '::1',
    ...(isEverywhere ? interfaceAddresses() : [listen]),
    ...(isServerName(own) ? [own] : []),
    ...configured,
  ];
  return [...new Set(names.map((name) => name.toLowerCase()))];
}

/** All but those that hold on one link only, and need its name to be used. */
function interfaceAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, address }) => !internal && isIP(address) !== 0 && !/^fe80:/i.test(address))
    .map(({ address }) => address);
}
