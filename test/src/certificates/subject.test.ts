import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import t from 'tap';
import { CertificateAuthority } from '../../../src/certificates/authority.js';
import { importKeyPair, makeKey } from '../../../src/certificates/key-pair.js';
import { subjectOf, subjectUri, type Subject } from '../../../src/certificates/subject.js';
import { systemClock } from '../../../src/common/clock.js';
import { temporaryDirectory } from '../../kit/temporary.js';

void t.test('subjects are read as they were written, and nothing else is one', async (t) => {
  const authority = await CertificateAuthority.open(join(temporaryDirectory(t), 'tls'), systemClock);
  const { publicKey } = await importKeyPair(await makeKey());
  const read = async (subject: Subject): Promise<Subject | undefined> =>
    subjectOf(new X509Certificate((await authority.issueClient(publicKey, subject, 60_000)).pem));
  const good: readonly Subject[] = [
    { role: 'agent', host: 'hv1.example' },
    { role: 'administrator', name: 'anna' },
  ];
  for (const subject of good) t.same(await read(subject), subject);
  t.equal(subjectUri({ role: 'agent', host: 'hv1' }), 'urn:umbra:agent:hv1');
  for (const host of ['hv1,URI:urn:umbra:administrator:anna', '.hv1', `h${'v'.repeat(128)}`, 'hv1 ']) {
    t.equal(await read({ role: 'agent', host }), undefined, host);
  }
});
