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

/** By which of them others reach it, the best first: those that it is told, and this machine's only if it listens to others. */
export function reachableNames(listen: string, configured: readonly string[]): readonly string[] {
  const all = serverNames(listen, configured);
  const told = all.filter((name) => configured.some((other) => other.toLowerCase() === name));
  if (isLoopback(listen)) return [...new Set([...told, listen])];
  const own = all.filter((name) => !isLoopback(name));
  return [...new Set([...told, ...own])];
}

function isLoopback(name: string): boolean {
  return name === 'localhost' || name === '::1' || name.startsWith('127.');
}

/** All but those that hold on one link only, and need its name to be used. */
function interfaceAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, address }) => !internal && isIP(address) !== 0 && !/^fe80:/i.test(address))
    .map(({ address }) => address);
}
