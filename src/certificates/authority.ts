import { createPrivateKey, X509Certificate, type webcrypto } from 'node:crypto';
import { dirname, join } from 'node:path';
import type { Clock } from '../common/clock.js';
import { messageOf, UmbraError } from '../common/errors.js';
import { makeDirectories } from '../system/make-directory.js';
import { plainFiles, type PrivateFiles } from '../system/private-files.js';
import { syncDirectory } from '../system/sync-directory.js';
import { fingerprintOf } from './fingerprint.js';
import { issueAuthority, issueClient, issueServer, type Issued, type Issuer } from './issue.js';
import { importKeyPair, makeKey } from './key-pair.js';
import type { Subject } from './subject.js';
import { loadX509 } from './x509.js';

/** Certificate and key in one file, so that there is never one without the other. */
const FILE = 'ca.pem';
/** The certificate alone, to be handed out (`curl --cacert`); made again whenever the authority is opened. */
const PUBLIC_FILE = 'ca.crt';

/** A store's own certificate authority: it vouches for the server, for agents and for administrators, and for nobody else. */
export class CertificateAuthority {
  /** Its certificate, in PEM. */
  readonly pem: string;
  readonly certificate: X509Certificate;
  /** See {@link fingerprintOf}. */
  readonly fingerprint: string;
  readonly #issuer: Issuer;
  readonly #clock: Clock;

  private constructor(pem: string, issuer: Issuer, clock: Clock) {
    this.pem = pem;
    this.certificate = new X509Certificate(pem);
    this.fingerprint = fingerprintOf(this.certificate);
    this.#issuer = issuer;
    this.#clock = clock;
  }

  /**
   * Open the authority in a directory, or make it there, durably. The caller holds the store's lock.
   * @param files what its key is kept in
   * @throws {UmbraError} STORE_DAMAGED when what is there can't be used, STORE_FAILED
   */
  static async open(directory: string, clock: Clock, files: PrivateFiles = plainFiles): Promise<CertificateAuthority> {
    const file = join(directory, FILE);
    const text = (await files.read(file)) ?? (await make(directory, clock, files));
    const authority = await load(text, file, clock);
    await plainFiles.write(join(directory, PUBLIC_FILE), authority.pem);
    return authority;
  }

  /** @internal */
  static async of(certificatePem: string, keyPem: string, clock: Clock): Promise<CertificateAuthority> {
    const x509 = await loadX509();
    const { privateKey } = await importKeyPair(keyPem);
    const issuer = { certificate: new x509.X509Certificate(certificatePem), privateKey };
    return new CertificateAuthority(certificatePem, issuer, clock);
  }

  /** @param names DNS names and IP addresses */
  async issueServer(publicKey: webcrypto.CryptoKey, names: readonly string[], lifeMs: number): Promise<Issued> {
    return await issueServer(this.#issuer, publicKey, names, { nowMs: this.#clock.now(), lifeMs });
  }

  async issueClient(publicKey: webcrypto.CryptoKey, subject: Subject, lifeMs: number): Promise<Issued> {
    return await issueClient(this.#issuer, publicKey, subject, { nowMs: this.#clock.now(), lifeMs });
  }

  /** True if this authority signed a certificate; whether that still holds is another question. */
  hasIssued(certificate: X509Certificate): boolean {
    return certificate.checkIssued(this.certificate) && certificate.verify(this.certificate.publicKey);
  }
}

async function make(directory: string, clock: Clock, files: PrivateFiles): Promise<string> {
  const keyPem = await makeKey();
  const certificate = await issueAuthority(await importKeyPair(keyPem), clock.now());
  const text = `${certificate.toString('pem')}\n${keyPem}`;
  try {
    for (const made of await makeDirectories(directory)) await syncDirectory(dirname(made));
  } catch (cause) {
    throw new UmbraError('STORE_FAILED', `cannot make ${directory}: ${messageOf(cause)}`, { cause });
  }
  await files.write(join(directory, FILE), text);
  return text;
}

async function load(text: string, file: string, clock: Clock): Promise<CertificateAuthority> {
  const { certificate, key } = splitPem(text);
  try {
    if (!new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))) {
      throw new UmbraError('STORE_DAMAGED', 'key and certificate do not belong together');
    }
    return await CertificateAuthority.of(certificate, key, clock);
  } catch (cause) {
    throw new UmbraError('STORE_DAMAGED', `${file} cannot be used: ${messageOf(cause)}`, {
      hint: 'Put it back from a copy. Without one, move it away: a new authority is made, and every agent and administrator must enrol again.',
      cause,
    });
  }
}

/** The parts of a file with a certificate and a private key; empty where there is none. */
export function splitPem(text: string): { readonly certificate: string; readonly key: string } {
  const part = (label: string): string =>
    new RegExp(`-----BEGIN ${label}-----[\\s\\S]+?-----END ${label}-----`).exec(text)?.[0] ?? '';
  return { certificate: part('CERTIFICATE'), key: part('PRIVATE KEY') };
}
