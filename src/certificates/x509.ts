import { webcrypto } from 'node:crypto';
import type * as X509 from '@peculiar/x509';

/** Keys of everybody: small, fast to make, and known to every TLS library. */
export const KEY_ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

let loaded: Promise<typeof X509> | undefined;

/** The library that writes certificates; loading it takes a quarter of a second, so it is loaded when it is needed. */
export function loadX509(): Promise<typeof X509> {
  loaded ??= load();
  return loaded;
}

async function load(): Promise<typeof X509> {
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  x509.cryptoProvider.set(webcrypto);
  return x509;
}
