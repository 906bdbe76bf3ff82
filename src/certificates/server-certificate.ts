import { createPrivateKey, X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import type { Clock } from '../common/clock.js';
import { isUmbraError, messageOf } from '../common/errors.js';
import type { Log } from '../common/log.js';
import { plainFiles, type PrivateFiles } from '../system/private-files.js';
import { splitPem, type CertificateAuthority } from './authority.js';
import { DAY_MS } from './issue.js';
import { importKeyPair, makeKey } from './key-pair.js';

const FILE = 'server.pem';
const LIFE_MS = 90 * DAY_MS;
const RENEW_BEFORE_MS = LIFE_MS / 3;
/** Time passes, and a machine gets and loses addresses. */
const CHECK_EVERY_MS = 3_600_000;

export interface ServerCertificateOptions {
  /** Where the key and the certificate are kept; it is there. */
  readonly directory: string;
  /** What they are kept in; as they are without it. */
  readonly files?: PrivateFiles;
  readonly authority: CertificateAuthority;
  /** The names and addresses that the server is reached by now. */
  readonly names: () => readonly string[];
  readonly clock: Clock;
  readonly log: Log;
}

/** What a TLS server shows, in PEM. */
export interface TlsIdentity {
  readonly key: string;
  /** The certificate and its authority's, which clients know by its fingerprint. */
  readonly cert: string;
}

/** The server's own certificate, made again in time, and when the names change. */
export class ServerCertificate {
  readonly #options: ServerCertificateOptions;
  readonly #changed: (identity: TlsIdentity) => void;
  #identity: TlsIdentity | undefined;
  #cancel: (() => void) | undefined;
  #checking: Promise<void> = Promise.resolve();

  private constructor(options: ServerCertificateOptions, changed: (identity: TlsIdentity) => void) {
    this.#options = options;
    this.#changed = changed;
  }

  /**
   * @param changed called with each new one, the first among them, before this resolves
   * @throws {UmbraError} STORE_FAILED
   */
  static async open(
    options: ServerCertificateOptions,
    changed: (identity: TlsIdentity) => void,
  ): Promise<ServerCertificate> {
    const certificate = new ServerCertificate(options, changed);
    await certificate.#check();
    certificate.#arm();
    return certificate;
  }

  /** No more are made. Idempotent. */
  async close(): Promise<void> {
    this.#cancel?.();
    this.#cancel = undefined;
    await this.#checking;
  }

  #arm(): void {
    this.#cancel = this.#options.clock.after(CHECK_EVERY_MS, () => {
      this.#checking = this.#checkAgain();
    });
  }

  async #checkAgain(): Promise<void> {
    try {
      await this.#check();
    } catch (error) {
      // The one there is good for another 30 days, or lacks a name; the next try is in an hour.
      this.#options.log.error('server certificate', { error: messageOf(error) });
    }
    if (this.#cancel !== undefined) this.#arm();
  }

  /** Load the certificate, or make one if that does not do any more. */
  async #check(): Promise<void> {
    const { directory, names, log } = this.#options;
    const wanted = names();
    const file = join(directory, FILE);
    const text = await this.#read(file);
    const found = this.#usable(text, wanted);
    if (found !== undefined && this.#identity !== undefined) return;
    const identity = found ?? (await this.#make(file, wanted));
    if (found === undefined) log.info('new server certificate', { names: wanted.join(' ') });
    this.#identity = identity;
    this.#changed(identity);
  }

  async #read(file: string): Promise<string> {
    const { files = plainFiles } = this.#options;
    try {
      return (await files.read(file)) ?? '';
    } catch (error) {
      // It is easily made again.
      if (isUmbraError(error, 'STORE_DAMAGED')) return '';
      throw error;
    }
  }

  #usable(text: string, names: readonly string[]): TlsIdentity | undefined {
    const { authority, clock } = this.#options;
    const { certificate: pem, key } = splitPem(text);
    try {
      const certificate = new X509Certificate(pem);
      const isOurs = authority.hasIssued(certificate) && certificate.checkPrivateKey(createPrivateKey(key));
      const leftMs = Date.parse(certificate.validTo) - clock.now();
      if (!isOurs || leftMs < RENEW_BEFORE_MS || !hasNames(certificate, names)) return undefined;
      return this.#identityOf(key, pem);
    } catch {
      // It is easily made again.
      return undefined;
    }
  }

  async #make(file: string, names: readonly string[]): Promise<TlsIdentity> {
    const { authority, files = plainFiles } = this.#options;
    const key = await makeKey();
    const { publicKey } = await importKeyPair(key);
    const { pem } = await authority.issueServer(publicKey, names, LIFE_MS);
    await files.write(file, `${pem}\n${key}`);
    return this.#identityOf(key, pem);
  }

  #identityOf(key: string, pem: string): TlsIdentity {
    return { key, cert: `${pem}\n${this.#options.authority.pem}` };
  }
}

/** True if a certificate is for just these names. */
function hasNames(certificate: X509Certificate, names: readonly string[]): boolean {
  const present = (certificate.subjectAltName ?? '').split(', ');
  const matches = (name: string): boolean =>
    certificate.checkHost(name, { wildcards: false }) !== undefined || certificate.checkIP(name) !== undefined;
  return present.length === new Set(names).size && names.every(matches);
}
