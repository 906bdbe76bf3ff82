import { webcrypto } from 'node:crypto';
import { UmbraError } from '../common/errors.js';
import { importKeyPair } from './key-pair.js';
import { KEY_ALGORITHM, loadX509 } from './x509.js';

/** One of ours has some 400 characters. */
const MAX_REQUEST_CHARACTERS = 8192;

/**
 * A certificate request (PKCS #10) in PEM that proves that its sender has the private key. It names nobody: that is for
 * the server to say.
 */
export async function makeCertificateRequest(keyPem: string): Promise<string> {
  const x509 = await loadX509();
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: 'CN=umbra',
    keys: await importKeyPair(keyPem),
    signingAlgorithm: KEY_ALGORITHM,
  });
  return request.toString('pem');
}

/**
 * The public key of a certificate request, whose sender has the private key. Nothing else is taken from it.
 * @throws {UmbraError} BAD_ARGUMENT
 */
export async function readCertificateRequest(pem: string): Promise<webcrypto.CryptoKey> {
  if (pem.length > MAX_REQUEST_CHARACTERS) throw wrong(`it is longer than ${MAX_REQUEST_CHARACTERS} characters`);
  const x509 = await loadX509();
  let isSigned: boolean;
  let publicKey: webcrypto.CryptoKey;
  try {
    const request = new x509.Pkcs10CertificateRequest(pem);
    isSigned = await request.verify();
    publicKey = await webcrypto.subtle.importKey('spki', request.publicKey.rawData, KEY_ALGORITHM, true, ['verify']);
  } catch (cause) {
    throw wrong('it is not a PKCS #10 request for an ECDSA key on P-256, in PEM', cause);
  }
  if (!isSigned) throw wrong('its signature is wrong');
  return publicKey;
}

function wrong(why: string, cause?: unknown): UmbraError {
  return new UmbraError('BAD_ARGUMENT', `the certificate request cannot be used: ${why}`, { cause });
}
