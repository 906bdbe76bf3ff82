import { X509Certificate } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { CertificateAuthority } from '../../../src/certificates/authority.js';
import { ServerCertificate, type TlsIdentity } from '../../../src/certificates/server-certificate.js';
import { silentLog } from '../../../src/common/log.js';
import { until } from '../../kit/api-client.js';
import { ManualClock } from '../../kit/manual-clock.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

interface Lab {
  readonly clock: ManualClock;
  readonly directory: string;
  readonly authority: CertificateAuthority;
  /** What the server was given, newest last. */
  readonly given: TlsIdentity[];
  names: string[];
  readonly errors: string[];
  readonly open: () => Promise<ServerCertificate>;
}

async function lab(t: Test): Promise<Lab> {
  const clock = new ManualClock();
  const directory = join(temporaryDirectory(t), 'tls');
  const authority = await CertificateAuthority.open(directory, clock);
  const given: TlsIdentity[] = [];
  const errors: string[] = [];
  const made: Lab = {
    clock,
    directory,
    authority,
    given,
    errors,
    names: ['localhost', '127.0.0.1', '::1'],
    open: async () => {
      const log = { ...silentLog, error: (message: string) => void errors.push(message) };
      const options = { directory, authority, names: () => made.names, clock, log };
      const certificate = await ServerCertificate.open(options, (identity) => given.push(identity));
      t.teardown(() => certificate.close());
      return certificate;
    },
  };
  return made;
}

function newest({ given }: Lab): X509Certificate {
  return new X509Certificate(given.at(-1)?.cert ?? '');
}

void t.test('it is for the names, and kept for the next start', async (t) => {
  const made = await lab(t);
  await made.open();
  const certificate = newest(made);
  t.ok(certificate.checkHost('localhost'));
  t.ok(certificate.checkIP('127.0.0.1'));
  t.ok(certificate.checkIP('::1'));
  t.equal(Math.round((Date.parse(certificate.validTo) - made.clock.now()) / DAY_MS), 90);
  t.match(made.given[0]?.cert, made.authority.pem.trim(), 'its authority comes with it');
  await made.open();
  t.equal(newest(made).serialNumber, certificate.serialNumber);
  made.clock.advance(59 * DAY_MS);
  await made.open();
  t.equal(newest(made).serialNumber, certificate.serialNumber);
});

void t.test('it is made again while the server runs, when a third of its life is left', async (t) => {
  const made = await lab(t);
  const certificate = await made.open();
  made.clock.advance(60 * DAY_MS + HOUR_MS);
  await until(() => made.given.length === 2);
  t.ok(Date.parse(newest(made).validTo) > made.clock.now() + 89 * DAY_MS);
  await certificate.close();
  made.clock.advance(90 * DAY_MS);
  t.equal(made.given.length, 2, 'none after it was closed');
});

void t.test('it is made again when the names change', async (t) => {
  const made = await lab(t);
  await made.open();
  made.names = ['localhost', 'umbra.example'];
  made.clock.advance(HOUR_MS);
  await until(() => made.given.length === 2);
  t.ok(newest(made).checkHost('umbra.example'));
  t.notOk(newest(made).checkIP('127.0.0.1'), 'an address that is gone is gone from it');
});

void t.test('one that is damaged, or of another authority, is made again', async (t) => {
  const made = await lab(t);
  await made.open();
  const { serialNumber } = newest(made);
  writeFileSync(join(made.directory, 'server.pem'), 'nonsense');
  await made.open();
  t.not(newest(made).serialNumber, serialNumber);
  const other = await lab(t);
  writeFileSync(join(other.directory, 'server.pem'), `${made.given[0]?.cert ?? ''}${made.given[0]?.key ?? ''}`);
  await other.open();
  t.ok(other.authority.hasIssued(newest(other)));
});

void t.test('when none can be made, the one there stays, and the log says why', async (t) => {
  const made = await lab(t);
  await made.open();
  made.names = ['umbra.example'];
  rmSync(made.directory, { recursive: true });
  made.clock.advance(HOUR_MS);
  await until(() => made.errors.length === 1);
  t.same(made.errors, ['server certificate']);
  t.equal(made.given.length, 1);
  mkdirSync(made.directory);
  await until(() => {
    made.clock.advance(HOUR_MS);
    return made.given.length === 2;
  });
});
