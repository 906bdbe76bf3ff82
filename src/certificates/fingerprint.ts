import { createHash, type X509Certificate } from 'node:crypto';

/** The SHA-256 of a certificate's DER in 64 small hex digits, as `openssl x509 -fingerprint -sha256` gives it with colons. */
export function fingerprintOf(certificate: X509Certificate): string {
  return createHash('sha256').update(certificate.raw).digest('hex');
}
