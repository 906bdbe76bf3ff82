import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Environment } from '../../../src/cli/environment.js';
import { parseDuration } from '../../../src/cli/duration.js';
import type { AgentInfo } from '../../../src/protocol/access-api.js';
import { ask } from '../../kit/api-client.js';
import { ManualClock } from '../../kit/manual-clock.js';
import { startRemoteServer, type RemoteLab } from '../../kit/remote-lab.js';
import { runUmbra, type Outcome } from '../../kit/run-umbra.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const DAY_MS = 86_400_000;

interface Desk {
  readonly lab: RemoteLab;
  /** Of the administrator's machine. */
  readonly clock: ManualClock;
  readonly url: string;
  readonly home: string;
  /** Run a command on the administrator's machine. */
  readonly umbra: (line: string, overrides?: Partial<Environment>) => Promise<Outcome>;
}

async function desk(t: Test): Promise<Desk> {
  const lab = await startRemoteServer(t);
  const home = temporaryDirectory(t);
  // TLS itself looks at the machine's clock: that of the server must agree with it.
  const clock = new ManualClock(lab.clock.now());
  const umbra: Desk['umbra'] = (line, overrides = {}) =>
    runUmbra(line.split(' '), undefined, { home, variables: {}, clock, ...overrides });
  return { lab, clock, url: `https://localhost:${lab.port}`, home, umbra };
}

void t.test('a token is enough for a command', async (t) => {
  const { lab, url, home, umbra } = await desk(t);
  const token = await lab.addToken('anna');
  writeFileSync(join(home, 'token'), `${token}\n`);
  t.match(await umbra(`stats --server ${url} --token-file ${home}/token --json`), { code: 0, stdout: /"machines": 2/ });
  t.match(await umbra(`stats --json`, { variables: { UMBRA_SERVER: url, UMBRA_TOKEN: token } }), { code: 0 });
  t.match(await umbra(`stats --server ${url} --token-file ${home}/none`), { code: 2, stderr: /token file/ });
  const wrong = token.replace(/\.[^.]{43}\./, `.${'A'.repeat(43)}.`);
  t.match(await umbra(`stats --server ${url}`, { variables: { UMBRA_TOKEN: wrong } }), {
    code: 12,
    stderr: /not known/,
  });
  t.match(await umbra(`stats --server ${url}`, { variables: { UMBRA_TOKEN: 'x' } }), { code: 2, stderr: /no token/ });
});

void t.test('after a log-in every kind of command works', async (t) => {
  const { lab, url, home, umbra } = await desk(t);
  t.match(await umbra(`list --server ${url}`), { code: 12, stderr: /not logged in.*\nRun "umbra login/ });
  const token = await lab.addToken('anna');
  t.match(await umbra(`login ${url}`), { code: 2, stderr: /no token is given/ });
  const login = await umbra(`login ${url}`, { readInput: () => Promise.resolve(`${token}\n`) });
  t.match(login, { code: 0, stdout: /logged in to .* as anna, until/ });
  const file = join(home, '.config', 'umbra', 'servers', `localhost_${lab.port}.json`);
  t.equal(statSync(file).mode & 0o777, 0o600);
  t.notMatch(readFileSync(file, 'utf8'), token, 'the token itself is not kept');
  const works: readonly (readonly [string, RegExp])[] = [
    ['list', /./],
    ['stats', /machines/],
    ['status', /server:/],
    ['verify web1', /./],
    ['gc', /./],
    ['forget web1@2026-11-22T10-15-00Z --dry-run', /would delete/],
    ['ls web1:/', /./],
    ['share list', /shared|SHARE/],
    ['token list', /anna/],
    ['agents', /No agent/],
  ];
  for (const [line, stdout] of works) t.match(await umbra(`${line} --server ${url}`), { code: 0, stdout }, line);
  t.match(await umbra(`backup web1 /a.raw --server ${url}`), { code: 3, stderr: /a\.raw does not exist/ });
  t.match(await umbra(`init --server ${url}`), { code: 2, stderr: /store of this machine/ });
  t.match(await umbra(`list --server ${url} --store /s`), { code: 2, stderr: /exclude each other/ });
  t.match(await umbra(`list --token-file /t --store /s`), { code: 2, stderr: /needs --server/ });

  t.match(await umbra(`logout ${url}`), { code: 0, stdout: /logged out/ });
  t.match(await umbra(`logout ${url} --json`), { code: 0, stdout: /"loggedOut": false/ });
  t.match(await umbra(`list --server ${url}`), { code: 12, stderr: /not logged in/ });
  t.match((await ask(lab.store, 'GET', '/v1/tokens')).body, [{ name: 'anna', certificates: 0 }]);
});

void t.test('a log-in is renewed as it is used, and expires when it is not', async (t) => {
  const { lab, clock, url, umbra, home } = await desk(t);
  const token = await lab.addToken('anna');
  const variables = { UMBRA_TOKEN: token };
  await umbra(`login ${url}`, { variables });
  const file = join(home, '.config', 'umbra', 'servers', `localhost_${lab.port}.json`);
  const first = readFileSync(file, 'utf8');
  clock.advance(14 * DAY_MS);
  t.equal((await umbra(`list --server ${url}`)).code, 0);
  t.equal(readFileSync(file, 'utf8'), first);
  clock.advance(2 * DAY_MS);
  t.equal((await umbra(`list --server ${url}`)).code, 0);
  t.not(readFileSync(file, 'utf8'), first);
  clock.advance(30 * DAY_MS);
  t.match(await umbra(`list --server ${url}`), { code: 12, stderr: /has expired on[^]*umbra login/ });
  const now = { clock: lab.clock };
  await umbra(`login ${url}`, { ...now, variables });
  t.match(await umbra(`token remove anna --server ${url}`, now), { code: 0, stdout: /removed/ }, 'also his own');
  t.match(await umbra(`list --server ${url}`, now), { code: 12, stderr: /revoked/ });
  t.match(await umbra(`logout ${url}`, now), { code: 0, stdout: /logged out/ });
  writeFileSync(file, '{}');
  t.match(await umbra(`list --server ${url}`), { code: 2, stderr: /is damaged/ });
});

void t.test('a log-in can be ended when the server is gone', async (t) => {
  const { lab, url, umbra } = await desk(t);
  await umbra(`login ${url}`, { variables: { UMBRA_TOKEN: await lab.addToken('anna') } });
  t.match(await umbra(`stop --server ${url}`), { code: 0, stdout: /stopped the server/ });
  lab.clock.advance(1000);
  t.match(await umbra(`list --server ${url}`), { code: 11, stderr: /nothing listens there/ });
  t.match(await umbra(`stop --server ${url}`), { code: 11 });
  t.match(await umbra(`logout ${url}`), { code: 0, stderr: /server was not told/ });
});

void t.test('tokens are made, listed and removed', async (t) => {
  const { lab, umbra } = await desk(t);
  const local = (line: string): Promise<Outcome> => umbra(`${line} --store ${lab.store}`);
  t.match(await local('token list'), { stdout: /no tokens/ });
  const made = await local('token add anna --expires 90d');
  t.match(made, { code: 0, stdout: /^umbra-admin-\S+\n$/, stderr: /shown this once/ });
  t.match(await local('token list'), { stdout: /anna +2/ });
  t.match(await local('token add anna'), { code: 2, stderr: /already/ });
  t.match(await local('token remove anna'), { code: 0, stdout: /removed/ });
  t.match(await local('token remove anna'), { code: 3 });
  t.match(await local('token list x'), { code: 2 });
  t.match(await local('token list --expires 1h'), { code: 2, stderr: /for "add"/ });
  t.match(await local('token add bert --expires soon'), { code: 2, stderr: /90s, 30min, 12h or 7d/ });
  t.same(
    ['90s', '30min', '12h', '7d'].map((text) => parseDuration(text, 'x')),
    [90, 1800, 43_200, 604_800],
  );
});

void t.test('agents are invited, enrol and are let out', async (t) => {
  const { lab, url, umbra, home } = await desk(t);
  const local = (line: string): Promise<Outcome> => umbra(`${line} --store ${lab.store}`);
  const invited = await local('agent invite hv1 --expires 30min');
  t.match(invited, { code: 0, stdout: /Run this on hv1[^]*agent enrol --server https:\S+ --host hv1 --token/ });
  const token = /umbra-join-\S+/.exec(invited.stdout)?.[0] ?? '';
  const line = `agent enrol --server ${url} --token ${token} --state ${home}/agent`;
  t.match(await umbra(`${line} --host hv2`), { code: 12, stderr: /not for the host hv2[^]*--host/ });
  t.match(await umbra(`${line} --host hv1`), { code: 0, stdout: `hv1 is enrolled at ${url}\n` });
  t.match(await umbra(`${line} --host hv1`), { code: 12, stderr: /used already/ });
  t.match(await local('agents'), { stdout: /hv1 +2/ });
  t.match(await local('agent invite hv1'), { stdout: /enrolled already/ });
  await local('agent invite hv4');
  t.match(await local('agents'), { stdout: /hv1 +2.* 2\d.*\nhv4 +- +- +- +- +2/ });
  t.match(await local('agent revoke hv4'), { code: 0, stdout: 'the invitation of hv4 is withdrawn\n' });
  t.match(await local('agent revoke hv1'), {
    code: 0,
    stdout: 'the agent of hv1 is out\nthe invitation of hv1 is withdrawn\n',
  });
  const [only, ...others] = JSON.parse((await local('agents --json')).stdout) as readonly AgentInfo[];
  t.match(only, { host: 'hv1', revoked: String });
  t.same([only?.invitedUntil, others], [undefined, []]);
  t.match(await local('agent revoke hv3'), { code: 3 });
  t.match(await umbra('agent enrol --token x'), { code: 2, stderr: /--server is missing/ });
  t.match(await umbra(`agent enrol hv1 --server ${url} --token x`), { code: 2, stderr: /--host/ });
  t.match(await umbra('agent revoke hv1 --expires 1h'), { code: 2, stderr: /for "invite"/ });
});
