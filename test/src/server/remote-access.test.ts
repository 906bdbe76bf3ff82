import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ServerCertificate } from '../../../src/certificates/server-certificate.js';
import { silentLog } from '../../../src/common/log.js';
import { privateFilesOf } from '../../../src/keys/sealed-files.js';
import { openRemoteAccess, tlsDirectory, type RemoteAccess } from '../../../src/server/remote-access.js';
import { plainFiles, type PrivateFiles } from '../../../src/system/private-files.js';
import { ManualClock } from '../../kit/manual-clock.js';
import { testKeys } from '../../kit/sealed.js';
import { temporaryDirectory } from '../../kit/temporary.js';

t.test(
  'what lets others in is sealed in an encrypted store, and taken over from a version that wrote it in plain',
  async (t) => {
    const store = temporaryDirectory(t);
    const clock = new ManualClock();
    const certificates: string[] = [];
    const open = async (files: PrivateFiles): Promise<RemoteAccess> => {
      const remote = await openRemoteAccess(store, files, clock);
      const { authority } = remote;
      const options = { directory: tlsDirectory(store), files, authority, names: () => ['hv1'], clock, log: silentLog };
      const own = await ServerCertificate.open(options, ({ cert }) => certificates.push(cert));
      t.teardown(() => own.close());
      return remote;
    };
    const inPlain = (): string[] => {
      const files = ['access.json', ...readdirSync(tlsDirectory(store)).map((name) => join('tls', name))];
      return files.filter((name) => /anna|PRIVATE/.test(readFileSync(join(store, name), 'utf8')));
    };
    const before = await open(plainFiles);
    await before.access.addAdministrator('anna');
    t.same(inPlain(), ['access.json', join('tls', 'ca.pem'), join('tls', 'server.pem')]);

    const sealed = privateFilesOf(store, testKeys().files, plainFiles);
    const after = await open(sealed);
    t.same(inPlain(), [], 'sealed as soon as they are read');
    t.equal(after.authority.fingerprint, before.authority.fingerprint, 'nobody need be let in anew');
    await after.access.addAdministrator('anna-two');
    t.same(inPlain(), []);
    const again = await open(sealed);
    t.equal(again.authority.fingerprint, before.authority.fingerprint);
    await t.rejects(again.access.addAdministrator('anna'), { code: 'BAD_ARGUMENT' }, 'who was let in still is');
    await t.rejects(again.access.addAdministrator('anna-two'), { code: 'BAD_ARGUMENT' });
    t.equal(new Set(certificates).size, 1, 'the server shows the same certificate');

    const others = privateFilesOf(store, testKeys('aes-256-gcm', 'other').files, plainFiles);
    await t.rejects(openRemoteAccess(store, others, clock), { code: 'STORE_DAMAGED', hint: /another store/ });
  },
);
