import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { CertificateAuthority } from '../../../src/certificates/authority.js';
import { makeCertificateRequest, readCertificateRequest } from '../../../src/certificates/certificate-request.js';
import { makeKey } from '../../../src/certificates/key-pair.js';
import { subjectOf } from '../../../src/certificates/subject.js';
import { systemClock } from '../../../src/common/clock.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const HOUR_MS = 3_600_000;

function folder(t: Test): string {
  return join(temporaryDirectory(t), 'store', 'tls');
}

async function publicKey(): Promise<Awaited<ReturnType<typeof readCertificateRequest>>> {
  return await readCertificateRequest(await makeCertificateRequest(await makeKey()));
}

void t.test('an authority is made once, for its owner alone', async (t) => {
  const directory = folder(t);
  const first = await CertificateAuthority.open(directory, systemClock);
  t.equal(statSync(directory).mode & 0o777, 0o700);
  for (const name of ['ca.pem', 'ca.crt']) t.equal(statSync(join(directory, name)).mode & 0o777, 0o600, name);
  t.same(readdirSync(directory).sort(), ['ca.crt', 'ca.pem']);
  t.notMatch(readFileSync(join(directory, 'ca.crt'), 'utf8'), 'PRIVATE');
  const again = await CertificateAuthority.open(directory, systemClock);
  t.equal(again.fingerprint, first.fingerprint);
  t.ok(first.certificate.ca);
  const years = (Date.parse(first.certificate.validTo) - Date.now()) / (365 * 24 * HOUR_MS);
  t.ok(years > 9.9 && years < 10.1, `${years} years`);
});

void t.test('openssl agrees: fingerprint, chain and purpose', async (t) => {
  const directory = folder(t);
  const authority = await CertificateAuthority.open(directory, systemClock);
  const openssl = (...args: string[]): string => execFileSync('openssl', args, { encoding: 'utf8', cwd: directory });
  const shown = openssl('x509', '-in', 'ca.crt', '-noout', '-fingerprint', '-sha256');
  t.equal(shown.trim().split('=')[1]?.replaceAll(':', '').toLowerCase(), authority.fingerprint);
  const agent = await authority.issueClient(await publicKey(), { role: 'agent', host: 'hv1' }, HOUR_MS);
  const server = await authority.issueServer(await publicKey(), ['umbra.example', '10.0.0.1', '::1'], HOUR_MS);
  writeFileSync(join(directory, 'agent.crt'), agent.pem);
  writeFileSync(join(directory, 'server.crt'), server.pem);
  const verify = (purpose: string, file: string): string =>
    openssl('verify', '-x509_strict', '-CAfile', 'ca.crt', '-purpose', purpose, file);
  t.match(verify('sslclient', 'agent.crt'), 'OK');
  t.match(verify('sslserver', 'server.crt'), 'OK');
  t.throws(() => verify('sslserver', 'agent.crt'));
  t.throws(() => verify('sslclient', 'server.crt'));
});

void t.test('a certificate says whom it is for, and until when', async (t) => {
  const authority = await CertificateAuthority.open(folder(t), systemClock);
  const other = await CertificateAuthority.open(folder(t), systemClock);
  const beforeMs = Date.now();
  const issued = await authority.issueClient(await publicKey(), { role: 'administrator', name: 'anna' }, HOUR_MS);
  const certificate = new X509Certificate(issued.pem);
  t.same(subjectOf(certificate), { role: 'administrator', name: 'anna' });
  t.equal(certificate.serialNumber.toLowerCase(), issued.serial);
  t.equal(Date.parse(certificate.validTo), issued.expiresMs);
  t.ok(Math.abs(issued.expiresMs - beforeMs - HOUR_MS) < 60_000);
  t.ok(authority.hasIssued(certificate));
  t.notOk(other.hasIssued(certificate));
  const server = new X509Certificate((await authority.issueServer(await publicKey(), ['a.b'], HOUR_MS)).pem);
  t.equal(subjectOf(server), undefined);
});

void t.test('a damaged authority is an error, never a new one', async (t) => {
  const directory = folder(t);
  await CertificateAuthority.open(directory, systemClock);
  const file = join(directory, 'ca.pem');
  const whole = readFileSync(file, 'utf8');
  const key = /-----BEGIN PRIVATE KEY[\s\S]+/.exec(await makeKey())?.[0] ?? '';
  const wrongs = ['', 'nonsense', whole.slice(0, 300), whole.replace(/-----BEGIN PRIVATE KEY[\s\S]+/, key)];
  for (const text of wrongs) {
    writeFileSync(file, text);
    await t.rejects(CertificateAuthority.open(directory, systemClock), {
      code: 'STORE_DAMAGED',
      message: /ca\.pem/,
      hint: /copy/,
    });
    t.equal(readFileSync(file, 'utf8'), text, 'it is left as it is');
  }
  rmSync(file);
  mkdirSync(file);
  await t.rejects(CertificateAuthority.open(directory, systemClock), { code: 'STORE_FAILED' });
});

void t.test('what can’t be written says so', async (t) => {
  const directory = folder(t);
  mkdirSync(join(directory, 'ca.crt', 'in the way'), { recursive: true });
  await t.rejects(CertificateAuthority.open(directory, systemClock), { code: 'STORE_FAILED', message: /ca\.crt/ });
  const parent = temporaryDirectory(t);
  writeFileSync(join(parent, 'file'), '');
  chmodSync(join(parent, 'file'), 0o600);
  await t.rejects(CertificateAuthority.open(join(parent, 'file', 'tls'), systemClock), { code: 'STORE_FAILED' });
});

void t.test('of a request only the key is taken, if its sender has it', async (t) => {
  const pem = await makeCertificateRequest(await makeKey());
  t.equal((await readCertificateRequest(pem)).type, 'public');
  const der = Buffer.from(pem.replaceAll(/-----.*-----|\s/g, ''), 'base64');
  der.writeUInt8(der.readUInt8(der.length - 1) ^ 1, der.length - 1);
  const forged = `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----`;
  await t.rejects(readCertificateRequest(forged), { code: 'BAD_ARGUMENT', message: /signature is wrong/ });
  const certificate = (await CertificateAuthority.open(folder(t), systemClock)).pem;
  for (const wrong of ['', 'x', pem.slice(0, 120), certificate]) {
    await t.rejects(readCertificateRequest(wrong), { code: 'BAD_ARGUMENT', message: /not a PKCS #10/ });
  }
  await t.rejects(readCertificateRequest(pem + ' '.repeat(9000)), { code: 'BAD_ARGUMENT', message: /longer/ });
});
