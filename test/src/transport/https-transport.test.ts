import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net';
import { createServer } from 'node:https';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { CertificateAuthority } from '../../../src/certificates/authority.js';
import { importKeyPair, makeKey } from '../../../src/certificates/key-pair.js';
import { systemClock } from '../../../src/common/clock.js';
import { readJson } from '../../../src/transport/answer.js';
import { connectionError } from '../../../src/transport/connection-error.js';
import { findAuthority } from '../../../src/transport/find-authority.js';
import { HttpsTransport } from '../../../src/transport/https-transport.js';
import { startRemoteServer } from '../../kit/remote-lab.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const STATS = { method: 'GET', path: '/v1/stats' } as const;
const NONE = { kind: 'none' } as const;

async function listening(t: Test, server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

void t.test('requests go to the server that has the authority', async (t) => {
  const lab = await startRemoteServer(t);
  const token = await lab.addToken('anna');
  const fingerprint = token.slice(-64);
  for (const host of ['localhost', '127.0.0.1']) {
    const server = { host, port: lab.port };
    const authority = await findAuthority(server, fingerprint);
    t.equal(authority.trim(), lab.ca.trim());
    const transport = new HttpsTransport({ server, authority, credentials: { kind: 'token', token } });
    t.match(await readJson(await transport.send(STATS)), { machines: 2 });
    t.match(await readJson(await transport.send(STATS)), { machines: 2 }, 'on the same connection');
    t.equal(transport.url, `https://${host}:${lab.port}`);
    transport.close();
  }
});

void t.test('another authority is not believed, and neither is another name', async (t) => {
  const [lab, other] = [await startRemoteServer(t), await startRemoteServer(t)];
  const server = { host: 'localhost', port: lab.port };
  await t.rejects(findAuthority(server, 'a'.repeat(64)), { code: 'SERVER_UNKNOWN' });
  const wrong = new HttpsTransport({ server, authority: other.ca, credentials: NONE });
  await t.rejects(wrong.send(STATS), { code: 'SERVER_UNKNOWN', message: /another authority/ });
  const authority = await CertificateAuthority.open(join(temporaryDirectory(t), 'tls'), systemClock);
  const key = await makeKey();
  const { publicKey } = await importKeyPair(key);
  const serve = async (names: readonly string[], lifeMs: number): Promise<HttpsTransport> => {
    const { pem } = await authority.issueServer(publicKey, names, lifeMs);
    const port = await listening(
      t,
      createServer({ key, cert: pem }, (_request, response) => response.end()),
    );
    return new HttpsTransport({ server: { host: 'localhost', port }, authority: authority.pem, credentials: NONE });
  };
  const elsewhere = await serve(['umbra.example'], 60_000);
  await t.rejects(elsewhere.send(STATS), { code: 'SERVER_UNKNOWN', message: /not for localhost/, hint: /"names"/ });
  const old = await serve(['localhost'], -60_000);
  await t.rejects(old.send(STATS), { code: 'SERVER_UNKNOWN', message: /not good at this time/, hint: /clocks/ });
});

void t.test('what does not answer says so, in time', async (t) => {
  const silent = createTcpServer();
  const server = { host: '127.0.0.1', port: await listening(t, silent) };
  const message = /did not answer within 0\.1 s/;
  const lab = await startRemoteServer(t);
  const transport = new HttpsTransport({ server, authority: lab.ca, credentials: NONE, connectTimeoutMs: 100 });
  await t.rejects(transport.send(STATS), { code: 'SERVER_UNREACHABLE', message });
  await t.rejects(findAuthority(server, 'a'.repeat(64), 100), { code: 'SERVER_UNREACHABLE', message });
  const closing = createTcpServer((socket) => socket.destroy());
  const port = await listening(t, closing);
  await t.rejects(findAuthority({ host: '127.0.0.1', port }, 'a'), { code: 'SERVER_UNREACHABLE' });
  t.match(connectionError({ code: 'ENOTFOUND' }, server), { message: /nobody knows that name/, hint: /firewall/ });
  t.match(connectionError(new Error('odd'), server), { code: 'SERVER_UNREACHABLE', message: /odd/ });
});
