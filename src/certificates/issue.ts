import { randomBytes, type webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import type { JsonGeneralNames, X509Certificate } from '@peculiar/x509';
import { subjectUri, type Subject } from './subject.js';
import { KEY_ALGORITHM, loadX509 } from './x509.js';

export const DAY_MS = 86_400_000;
/** Clocks of other machines may be so much behind. */
const CLOCK_SKEW_MS = 300_000;
const CA_LIFE_MS = 3650 * DAY_MS;

const SERVER_AUTHENTICATION = '1.3.6.1.5.5.7.3.1';
const CLIENT_AUTHENTICATION = '1.3.6.1.5.5.7.3.2';

/** Who signs. */
export interface Issuer {
  readonly certificate: X509Certificate;
  readonly privateKey: webcrypto.CryptoKey;
}

interface Validity {
  readonly nowMs: number;
  readonly lifeMs: number;
}

/** A certificate that was made. */
export interface Issued {
  readonly pem: string;
  /** Hex digits. */
  readonly serial: string;
  readonly expiresMs: number;
}

/** The certificate of a new authority, which signs no further authorities. */
export async function issueAuthority(keys: webcrypto.CryptoKeyPair, nowMs: number): Promise<X509Certificate> {
  const x509 = await loadX509();
  return await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: newSerial(),
    // Two stores' authorities must not be taken for each other by what goes by names.
    name: `CN=Umbra store ${randomBytes(4).toString('hex')}`,
    ...validity({ nowMs, lifeMs: CA_LIFE_MS }),
    signingAlgorithm: KEY_ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
}

/** @param names DNS names and IP addresses of the server */
export async function issueServer(
  issuer: Issuer,
  publicKey: webcrypto.CryptoKey,
  names: readonly string[],
  life: Validity,
): Promise<Issued> {
  const alternatives = names.map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value }) as const);
  return await issue(issuer, publicKey, alternatives, SERVER_AUTHENTICATION, life);
}

export async function issueClient(
  issuer: Issuer,
  publicKey: webcrypto.CryptoKey,
  subject: Subject,
  life: Validity,
): Promise<Issued> {
  return await issue(issuer, publicKey, [{ type: 'url', value: subjectUri(subject) }], CLIENT_AUTHENTICATION, life);
}

async function issue(
  { certificate, privateKey }: Issuer,
  publicKey: webcrypto.CryptoKey,
  names: JsonGeneralNames,
  usage: string,
  life: Validity,
): Promise<Issued> {
  const x509 = await loadX509();
  const dates = validity(life);
  const issued = await x509.X509CertificateGenerator.create({
    serialNumber: newSerial(),
    subject: 'CN=umbra',
    issuer: certificate.subject,
    ...dates,
    signingAlgorithm: KEY_ALGORITHM,
    publicKey,
    signingKey: privateKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([usage]),
      new x509.SubjectAlternativeNameExtension(names),
      await x509.AuthorityKeyIdentifierExtension.create(certificate.publicKey),
    ],
  });
  return { pem: issued.toString('pem'), serial: issued.serialNumber, expiresMs: dates.notAfter.getTime() };
}

function validity({ nowMs, lifeMs }: Validity): { readonly notBefore: Date; readonly notAfter: Date } {
  // Certificates have whole seconds.
  const at = (ms: number): Date => new Date(Math.floor(ms / 1000) * 1000);
  return { notBefore: at(nowMs - CLOCK_SKEW_MS), notAfter: at(nowMs + lifeMs) };
}

/** 127 random bits, positive and without leading zeros, so that it is written in one way only. */
function newSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
}
