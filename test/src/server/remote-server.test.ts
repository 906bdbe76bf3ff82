import { execFile } from 'node:child_process';
import { createPrivateKey } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import t from 'tap';
import { CertificateAuthority, splitPem } from '../../../src/certificates/authority.js';
import { importKeyPair, makeKey } from '../../../src/certificates/key-pair.js';
import { systemClock } from '../../../src/common/clock.js';
import { ask, until } from '../../kit/api-client.js';
import { startFakeServer } from '../../kit/fake-store.js';
import { startRemoteServer, untilClosed, type ClientIdentity } from '../../kit/remote-lab.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const run = promisify(execFile);
const HOUR_MS = 3_600_000;

void t.test('who shows a token or a certificate is let in as what it says', async (t) => {
  const lab = await startRemoteServer(t);
  const none = await lab.ask('GET', '/v1/stats');
  t.equal(none.status, 401);
  t.match(none.headers, { 'www-authenticate': 'Bearer', connection: 'close' });
  const token = await lab.addToken('anna');
  t.equal((await lab.ask('GET', '/v1/stats', undefined, { token })).status, 200);
  const identity = await lab.administrator('bert');
  t.equal((await lab.ask('GET', '/v1/stats', undefined, { identity })).status, 200);
  const { body } = await lab.ask('POST', '/v1/restore', {}, { identity });
  t.match(body, { error: { code: 'FORBIDDEN', message: /administrator bert/ } });
  const agent = await lab.agent('hv1');
  const refused = await lab.ask('GET', '/v1/stats', undefined, { identity: agent });
  t.equal(refused.status, 403);
  t.match(refused.body, { error: { code: 'FORBIDDEN', message: /agent of hv1/ } });
  t.equal((await lab.ask('GET', '/v1/tokens', undefined, { identity: agent })).status, 403);
  t.match((await ask(lab.store, 'GET', '/v1/agents')).body, [{ host: 'hv1', lastSeen: String }]);
});

void t.test('tokens that are wrong are refused, and then slowly', async (t) => {
  const lab = await startRemoteServer(t);
  const token = await lab.addToken('anna');
  const wrong = [
    'x',
    token.slice(0, -1),
    token.replace(/\.[^.]{43}\./, `.${'A'.repeat(43)}.`),
    await lab.invite('hv1'),
  ];
  for (const text of wrong) t.equal((await lab.ask('GET', '/v1/stats', undefined, { token: text })).status, 401);
  t.equal((await lab.ask('GET', '/v1/stats', undefined, { headers: { authorization: 'Basic YTpi' } })).status, 401);
  for (let tries = 5; tries < 10; tries += 1) await lab.ask('GET', '/v1/stats', undefined, { token: 'x' });
  const late = await lab.ask('GET', '/v1/stats', undefined, { token });
  t.equal(late.status, 429);
  t.match(late.body, { error: { code: 'TOO_MANY_TRIES', hint: /in 6 s/ } });
  lab.clock.advance(6000);
  t.equal((await lab.ask('GET', '/v1/stats', undefined, { token })).status, 200);
});

void t.test('certificates that do not hold are refused by name', async (t) => {
  const lab = await startRemoteServer(t);
  const refused = async (identity: ClientIdentity, why: RegExp): Promise<void> => {
    const { status, body } = await lab.ask('GET', '/v1/stats', undefined, { identity });
    t.equal(status, 401);
    t.match(body, { error: { code: 'UNAUTHENTICATED', message: why } });
  };
  const foreign = await CertificateAuthority.open(join(temporaryDirectory(t), 'tls'), systemClock);
  const key = await makeKey();
  const { publicKey } = await importKeyPair(key);
  const anna = { role: 'administrator', name: 'anna' } as const;
  const forged = await foreign.issueClient(publicKey, anna, HOUR_MS);
  await refused({ key, cert: forged.pem }, /not of the authority/);
  const own = splitPem(readFileSync(join(lab.store, 'tls', 'server.pem'), 'utf8'));
  await refused({ key: own.key, cert: own.certificate }, /not for clients/);
  const authority = await CertificateAuthority.open(join(lab.store, 'tls'), systemClock);
  await refused({ key, cert: (await authority.issueClient(publicKey, anna, HOUR_MS)).pem }, /revoked, or replaced/);
  const odd = { role: 'administrator', name: 'not a name' } as const;
  await refused({ key, cert: (await authority.issueClient(publicKey, odd, HOUR_MS)).pem }, /names no agent/);
  await refused({ key, cert: (await authority.issueClient(publicKey, anna, -60_000)).pem }, /expired/);
  const agent = await lab.agent('hv1');
  lab.clock.advance(24 * HOUR_MS);
  await refused(agent, /expired/);
  t.throws(() => createPrivateKey(own.certificate), 'the server’s key is no part of its certificate');
});

void t.test('whoever is removed or revoked is out at once, also of what he is doing', async (t) => {
  const lab = await startRemoteServer(t);
  const open = async (identity: ClientIdentity | undefined, header = ''): Promise<TLSSocket> => {
    const socket = await lab.connect(identity);
    socket.write(`GET /v1/stats HTTP/1.1\r\nhost: umbra\r\n${header}\r\n`);
    await new Promise((resolve) => socket.once('data', resolve));
    return socket;
  };
  const agent = await lab.agent('hv1');
  const token = await lab.addToken('anna');
  const bert = await lab.administrator('bert');
  const ofAgent = await open(agent);
  const ofToken = await open(undefined, `authorization: Bearer ${token}\r\n`);
  const agentOut = untilClosed(ofAgent);
  const tokenOut = untilClosed(ofToken);
  t.equal((await ask(lab.store, 'DELETE', '/v1/agents', { host: 'hv1' })).status, 200);
  await agentOut;
  t.notOk(ofToken.destroyed, 'others stay');
  t.equal((await ask(lab.store, 'DELETE', '/v1/tokens', { name: 'anna' })).status, 200);
  await tokenOut;
  t.equal((await lab.ask('GET', '/v1/stats', undefined, { identity: agent })).status, 401);
  t.equal((await lab.ask('GET', '/v1/stats', undefined, { token })).status, 401);
  t.equal((await lab.ask('GET', '/v1/stats', undefined, { identity: bert })).status, 200);
});

void t.test('a job of an administrator ends when he is removed', async (t) => {
  const lab = await startRemoteServer(t);
  const identity = await lab.administrator('anna');
  const verify = lab.ask('POST', '/v1/verify', { machine: 'slow' }, { identity });
  verify.catch(() => undefined);
  const jobs = async (): Promise<number> =>
    ((await ask(lab.store, 'GET', '/v1/status')).body as { jobs: readonly unknown[] }).jobs.length;
  await until(async () => (await jobs()) === 1);
  await ask(lab.store, 'DELETE', '/v1/tokens', { name: 'anna' });
  await t.rejects(verify);
  await until(async () => (await jobs()) === 0);
});

void t.test('only TLS 1.3 is spoken, and what is not HTTP is refused', async (t) => {
  const lab = await startRemoteServer(t);
  const refused = await new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port: lab.port, ca: lab.ca, maxVersion: 'TLSv1.2' });
    socket.on('error', resolve).on('secureConnect', () => {
      resolve(undefined);
      socket.destroy();
    });
  });
  t.match(refused, { code: /PROTOCOL_VERSION/ });
  const socket = await lab.connect();
  socket.write('this is not HTTP\r\n\r\n');
  t.match(await untilClosed(socket), /400 Bad Request/);
});

void t.test('headers and bodies have an end', async (t) => {
  const lab = await startRemoteServer(t);
  const token = await lab.addToken('anna');
  const socket = await lab.connect();
  socket.write(`GET /v1/stats HTTP/1.1\r\nhost: umbra\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`);
  t.match(await untilClosed(socket), /HTTP\/1\.1 4\d\d/);
  const large = 'x'.repeat(2 * 1024 * 1024);
  const answer = await lab.ask('POST', '/v1/verify', large, { token }).catch((error: unknown) => error);
  t.match(answer, { body: { error: { message: /larger than 1048576 bytes/ } } });
  const stranger = JSON.stringify({ token: 'x', host: 'hv1', request: 'x'.repeat(40_000) });
  t.match((await lab.ask('POST', '/v1/agents/enrol', stranger)).body, {
    error: { message: /larger than 32768 bytes/ },
  });
});

void t.test('who is slow gets no place', async (t) => {
  const lab = await startRemoteServer(t, { headersMs: 2000, handshakeMs: 2000 });
  const silent = await lab.connect();
  const trickling = await lab.connect();
  trickling.write('GET /v1/stats HTTP/1.1\r\nhost: umb');
  const raw = connectTcp(lab.port, '127.0.0.1');
  const handshake = new Promise((resolve) => raw.on('error', () => undefined).once('close', resolve));
  await Promise.all([untilClosed(silent), untilClosed(trickling), handshake]);
  t.equal((await lab.ask('GET', '/v1/stats')).status, 401, 'others are served');
});

void t.test('strangers can’t use up the connections', async (t) => {
  const lab = await startRemoteServer(t, { strangersOfAddress: 3, strangers: 2 });
  const identity = await lab.administrator('anna');
  const first = await lab.connect();
  const gone = untilClosed(first);
  const second = await lab.connect();
  t.equal((await lab.ask('GET', '/v1/stats', undefined, { identity })).status, 200);
  await gone;
  t.notOk(second.destroyed, 'the oldest went');

  const few = await startRemoteServer(t, { strangersOfAddress: 1 });
  await few.connect();
  await t.rejects(few.connect(), 'one more from the same address is one too many');
});

void t.test('the port is closed with the server, and another one can’t take it', async (t) => {
  const lab = await startRemoteServer(t);
  const address = { host: '127.0.0.1', port: lab.port };
  const other = startFakeServer(t, { listen: { address, names: [] } });
  await t.rejects(other, {
    code: 'LISTEN_FAILED',
    message: new RegExp(`127\\.0\\.0\\.1:${lab.port}`),
    hint: /--listen/,
  });
  await lab.stop();
  await t.rejects(lab.connect(), { code: 'ECONNREFUSED' });
});

void t.test('a damaged list of who may come in opens no port', async (t) => {
  const { store, server } = await startFakeServer(t);
  writeFileSync(join(store, 'access.json'), '{');
  t.match((await ask(store, 'GET', '/v1/tokens')).body, { error: { code: 'STORE_DAMAGED' } });
  t.equal((await ask(store, 'GET', '/v1/stats')).status, 200, 'everything else goes on');
  await server.stop();
  await server.ended;
  await t.rejects(startRemoteServer(t, {}, store), { code: 'STORE_DAMAGED', message: /access\.json/ });
});

void t.test('curl and openssl get along with it', async (t) => {
  const lab = await startRemoteServer(t);
  const directory = temporaryDirectory(t);
  const { key, cert } = await lab.administrator('anna');
  writeFileSync(join(directory, 'anna.pem'), `${cert}\n${key}`);
  const ca = join(lab.store, 'tls', 'ca.crt');
  const curl = async (...args: string[]): Promise<string> =>
    (await run('curl', ['-sS', '--cacert', ca, ...args], { cwd: directory })).stdout;
  const url = `https://localhost:${lab.port}/v1/stats`;
  t.match(JSON.parse(await curl('--cert', 'anna.pem', url)), { machines: 2 });
  const token = await lab.addToken('bert');
  t.match(JSON.parse(await curl('-H', `authorization: Bearer ${token}`, url)), { machines: 2 });
  t.match(JSON.parse(await curl(url)), { error: { code: 'UNAUTHENTICATED' } });
  await t.rejects(curl('--tls-max', '1.2', url), { code: 35 });
  const s_client = run('openssl', [
    's_client',
    '-connect',
    `localhost:${lab.port}`,
    '-CAfile',
    ca,
    '-verify_return_error',
  ]);
  s_client.child.stdin?.end();
  const shown = (await s_client).stdout;
  t.match(shown, /Verify return code: 0 \(ok\)/);
  t.match(shown, /TLSv1\.3/);
});
