import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  agentTransport,
  enrolAgent,
  loadIdentity,
  renewalTimeMs,
  renewIdentity,
  type AgentIdentity,
} from '../../../agent/enrol/agent-identity.js';
import { IdentityKeeper } from '../../../agent/enrol/identity-keeper.js';
import { silentLog } from '../../../src/common/log.js';
import { ask, until } from '../../kit/api-client.js';
import { ManualClock } from '../../kit/manual-clock.js';
import { startRemoteServer, type RemoteLab } from '../../kit/remote-lab.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const HOUR_MS = 3_600_000;

async function enrolled(lab: RemoteLab, directory: string): Promise<AgentIdentity> {
  const server = { host: 'localhost', port: lab.port };
  return await enrolAgent({ server, token: await lab.invite('hv1'), host: 'hv1', directory, clock: lab.clock });
}

void t.test('a host is enrolled, and keeps who it is for itself', async (t) => {
  const lab = await startRemoteServer(t);
  const directory = join(temporaryDirectory(t), 'state', 'agent');
  await t.rejects(loadIdentity(directory), { code: 'NOT_ENROLLED', hint: /umbra agent invite/ });
  const identity = await enrolled(lab, directory);
  t.match(identity, { host: 'hv1', server: `https://localhost:${lab.port}`, authority: lab.ca });
  t.equal(identity.expiresMs - identity.issuedMs, 24 * HOUR_MS - (identity.issuedMs % 1000));
  t.same(await loadIdentity(directory), identity);
  t.equal(statSync(directory).mode & 0o777, 0o700);
  t.same(readdirSync(directory), ['identity.json']);
  t.equal(statSync(join(directory, 'identity.json')).mode & 0o777, 0o600);
  const transport = agentTransport(identity);
  const response = await transport.send({ method: 'GET', path: '/v1/stats' });
  response.resume();
  t.equal(response.statusCode, 403, 'it is known, and may not do that');
  transport.close();
  const renewed = await renewIdentity(identity, directory, lab.clock);
  t.not(renewed.key, identity.key);
  t.same(await loadIdentity(directory), renewed);
});

void t.test('a token is not used up where the certificate can’t be kept', async (t) => {
  const lab = await startRemoteServer(t);
  const parent = temporaryDirectory(t);
  writeFileSync(join(parent, 'file'), '');
  await t.rejects(enrolled(lab, join(parent, 'file', 'state')), { code: 'BAD_ARGUMENT', hint: /--state/ });
  const damaged = join(parent, 'damaged');
  mkdirSync(damaged);
  for (const text of ['{', '{}', '[]', '7']) {
    writeFileSync(join(damaged, 'identity.json'), text);
    await t.rejects(loadIdentity(damaged), { code: 'BAD_ARGUMENT', message: /is damaged/ });
  }
  await t.rejects(loadIdentity(join(parent, 'file')), { code: 'BAD_ARGUMENT', message: /cannot be read/ });
});

void t.test('no other server is given the token', async (t) => {
  const [lab, other] = [await startRemoteServer(t), await startRemoteServer(t)];
  const directory = temporaryDirectory(t);
  const token = await lab.invite('hv1');
  const options = { token, host: 'hv1', directory, clock: lab.clock };
  await t.rejects(enrolAgent({ ...options, server: { host: '127.0.0.1', port: other.port } }), {
    code: 'SERVER_UNKNOWN',
    hint: /Nothing was sent/,
  });
  t.match(await enrolAgent({ ...options, server: { host: '127.0.0.1', port: lab.port } }), { host: 'hv1' });
});

void t.test('a certificate is renewed at two thirds of its life, again and again', async (t) => {
  const lab = await startRemoteServer(t);
  const directory = temporaryDirectory(t);
  const identity = await enrolled(lab, directory);
  t.equal(renewalTimeMs({ issuedMs: 0, expiresMs: 24 * HOUR_MS }), 16 * HOUR_MS);
  // TLS itself looks at the machine's clock: that of the server must agree with it.
  const clock = new ManualClock(lab.clock.now());
  const renewed: AgentIdentity[] = [];
  let revoked = 0;
  const keeper = new IdentityKeeper(identity, {
    directory,
    clock,
    log: silentLog,
    renewed: (next) => renewed.push(next),
    revoked: () => (revoked += 1),
  });
  t.teardown(() => {
    keeper.close();
  });
  clock.advance(15 * HOUR_MS);
  t.equal(renewed.length, 0);
  clock.advance(HOUR_MS);
  await until(() => renewed.length === 1);
  t.same(keeper.identity, renewed[0]);
  t.same(await loadIdentity(directory), renewed[0]);
  clock.advance(8 * HOUR_MS);
  await until(() => renewed.length === 2);
  await ask(lab.store, 'DELETE', '/v1/agents', { host: 'hv1' });
  clock.advance(24 * HOUR_MS);
  await until(() => revoked === 1);
});

void t.test('a server that is away is asked again', async (t) => {
  const lab = await startRemoteServer(t);
  const directory = temporaryDirectory(t);
  const identity = await enrolled(lab, directory);
  const errors: string[] = [];
  const renewed: AgentIdentity[] = [];
  const keeper = new IdentityKeeper(
    { ...identity, server: 'https://localhost:1' },
    {
      directory,
      clock: lab.clock,
      log: { ...silentLog, error: (message) => void errors.push(message) },
      renewed: (next) => renewed.push(next),
      revoked: () => t.fail('it was not revoked'),
    },
  );
  lab.clock.advance(16 * HOUR_MS);
  await until(() => errors.length === 1);
  await until(() => {
    lab.clock.advance(300_000);
    return errors.length === 2;
  });
  keeper.close();
  t.equal(renewed.length, 0);
});
