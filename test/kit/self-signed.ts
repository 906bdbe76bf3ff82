import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** A certificate for this machine that no authority signed, and its key: paths of files of PEM. @param names alternative names, as OpenSSL takes them */
export function selfSigned(
  directory: string,
  names = 'DNS:localhost,IP:127.0.0.1',
): { readonly cert: string; readonly key: string } {
  const [cert, key] = [join(directory, 'cert.pem'), join(directory, 'key.pem')];
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  const what = ['-subj', '/CN=somebody', '-addext', `subjectAltName=${names}`, '-keyout', key, '-out', cert];
  execFileSync('openssl', ['req', ...kind, ...what], { stdio: 'ignore' });
  return { cert, key };
}
