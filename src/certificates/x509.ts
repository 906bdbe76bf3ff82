import type { x509 as Library } from './x509-library.js';

/** Keys of everybody: small, fast to make, and known to every TLS library. */
export const KEY_ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** The library that writes certificates; loading it takes a quarter of a second, so it is loaded when it is needed. */
export async function loadX509(): Promise<typeof Library> {
  return (await import('./x509-library.js')).x509;
}
