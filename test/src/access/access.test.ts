import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { Access } from '../../../src/access/access.js';
import { AccessStore } from '../../../src/access/access-store.js';
import { ManualClock } from '../../kit/manual-clock.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const HOUR_MS = 3_600_000;
const SERIALS = ['a', 'b', 'c', 'd'].map((digit) => digit.repeat(32));
const [FIRST = '', SECOND = '', THIRD = ''] = SERIALS;
const AGENT = { role: 'agent', host: 'hv1' } as const;
const ANNA = { role: 'administrator', name: 'anna' } as const;

interface Lab {
  readonly directory: string;
  readonly file: string;
  readonly clock: ManualClock;
  /** As the next server would find it. */
  readonly open: () => Promise<Access>;
}

function lab(t: Test): Lab {
  const directory = temporaryDirectory(t);
  const file = join(directory, 'access.json');
  const clock = new ManualClock();
  return { directory, file, clock, open: async () => new Access(await AccessStore.open(file), clock) };
}

void t.test('an administrator is known by his token, until it is removed', async (t) => {
  const { open, file } = lab(t);
  const access = await open();
  const token = await access.addAdministrator('anna');
  t.equal(access.administratorOf(token)?.name, 'anna');
  t.equal(access.administratorOf({ ...token, secret: 'x' }), undefined);
  t.equal(access.administratorOf({ ...token, id: '0'.repeat(16) }), undefined);
  await t.rejects(access.addAdministrator('anna'), { code: 'BAD_ARGUMENT', message: /anna/ });
  t.equal(statSync(file).mode & 0o777, 0o600);
  t.notMatch(readFileSync(file, 'utf8'), token.secret, 'only its hash is kept');
  const next = await open();
  t.equal(next.administratorOf(token)?.name, 'anna', 'the next server knows it too');
  await next.addCertificate(ANNA, { serial: FIRST, expiresMs: 9e15 });
  let heard = 0;
  const end = next.onRevoked(() => (heard += 1));
  await next.removeAdministrator('anna');
  end();
  t.equal(heard, 1);
  t.equal(next.administratorOf(token), undefined);
  t.notOk(next.isKnown(ANNA, FIRST), 'his certificates go with it');
  await t.rejects(next.removeAdministrator('anna'), { code: 'NOT_FOUND' });
  await t.rejects(next.addCertificate(ANNA, { serial: SECOND, expiresMs: 9e15 }), { code: 'UNAUTHENTICATED' });
  t.equal((await open()).administrators().length, 0);
});

void t.test('a token with an end ends, with its certificates', async (t) => {
  const { open, clock } = lab(t);
  const access = await open();
  const token = await access.addAdministrator('anna', clock.now() + HOUR_MS);
  await access.addCertificate(ANNA, { serial: FIRST, expiresMs: 9e15 });
  t.ok(access.isKnown(ANNA, FIRST));
  clock.advance(HOUR_MS);
  t.equal(access.administratorOf(token), undefined);
  t.notOk(access.isKnown(ANNA, FIRST));
});

void t.test('an administrator has so many certificates at most, and those that are over go', async (t) => {
  const { open, clock } = lab(t);
  const access = await open();
  await access.addAdministrator('anna');
  const serial = (number: number): string => number.toString(16).padStart(32, '0');
  for (let number = 0; number < 18; number += 1) {
    await access.addCertificate(ANNA, { serial: serial(number), expiresMs: clock.now() + HOUR_MS });
  }
  t.notOk(access.isKnown(ANNA, serial(1)));
  t.ok(access.isKnown(ANNA, serial(2)));
  clock.advance(HOUR_MS);
  await access.addCertificate(ANNA, { serial: serial(18), expiresMs: clock.now() + HOUR_MS });
  t.notOk(access.isKnown(ANNA, serial(17)));
  t.equal(access.administrators()[0]?.certificates.length, 1);
});

void t.test('a join token lets in one host, once, until it expires', async (t) => {
  const { open, clock } = lab(t);
  const access = await open();
  const token = await access.invite('hv1', clock.now() + HOUR_MS);
  t.equal(access.hostOf(token), 'hv1');
  t.throws(() => access.hostOf({ ...token, secret: 'x' }), { code: 'UNAUTHENTICATED' });
  const enrolled = await access.enrol(token, { serial: FIRST, expiresMs: clock.now() + HOUR_MS });
  t.match(enrolled, { host: 'hv1', enrolledMs: clock.now() });
  t.ok(access.isKnown(AGENT, FIRST));
  t.notOk(access.isKnown({ role: 'agent', host: 'hv2' }, FIRST), 'another host is not let in by it');
  t.notOk(access.isKnown({ role: 'administrator', name: 'hv1' }, FIRST), 'and no administrator');
  await t.rejects(access.enrol(token, { serial: SECOND, expiresMs: 9e15 }), { message: /used already/ });
  const next = await open();
  t.throws(() => next.hostOf(token), { code: 'UNAUTHENTICATED', message: /used already/ }, 'a crash changes nothing');
  t.ok(next.isKnown(AGENT, FIRST));

  const late = await next.invite('hv2', clock.now() + HOUR_MS);
  clock.advance(HOUR_MS);
  t.throws(() => next.hostOf(late), { code: 'UNAUTHENTICATED', message: /expired/ });
  await t.rejects(next.enrol(late, { serial: SECOND, expiresMs: 9e15 }), { message: /expired/ });
});

void t.test('of two that use a token at once one wins', async (t) => {
  const { open, clock } = lab(t);
  const access = await open();
  const token = await access.invite('hv1', clock.now() + HOUR_MS);
  const both = await Promise.allSettled(SERIALS.map((serial) => access.enrol(token, { serial, expiresMs: 9e15 })));
  t.same(
    both.map(({ status }) => status),
    ['fulfilled', 'rejected', 'rejected', 'rejected'],
  );
  t.same(
    SERIALS.map((serial) => access.isKnown(AGENT, serial)),
    [true, false, false, false],
  );
});

void t.test('a token is not used up when that can’t be written down', async (t) => {
  const { open, clock, directory } = lab(t);
  const access = await open();
  const token = await access.invite('hv1', clock.now() + HOUR_MS);
  rmSync(directory, { recursive: true });
  await t.rejects(access.enrol(token, { serial: FIRST, expiresMs: 9e15 }), { code: 'STORE_FAILED' });
  t.notOk(access.isKnown(AGENT, FIRST));
  mkdirSync(directory);
  await access.enrol(token, { serial: SECOND, expiresMs: 9e15 });
  t.ok(access.isKnown(AGENT, SECOND));
});

void t.test('an agent keeps the certificate that it shows and the one that it gets', async (t) => {
  const { open, clock } = lab(t);
  const access = await open();
  const enrol = async (serial: string): Promise<void> => {
    const token = await access.invite('hv1', clock.now() + HOUR_MS);
    await access.enrol(token, { serial, expiresMs: 9e15 });
  };
  await enrol(FIRST);
  await access.addCertificate(AGENT, { serial: SECOND, expiresMs: 9e15 }, FIRST);
  t.ok(access.isKnown(AGENT, FIRST), 'its answer may be lost');
  await access.addCertificate(AGENT, { serial: THIRD, expiresMs: 9e15 }, SECOND);
  t.same(
    [FIRST, SECOND, THIRD].map((serial) => access.isKnown(AGENT, serial)),
    [false, true, true],
  );
  await enrol(FIRST);
  t.same(
    [FIRST, SECOND, THIRD].map((serial) => access.isKnown(AGENT, serial)),
    [true, false, false],
  );
});

void t.test('a revoked agent is out at once, and stays out', async (t) => {
  const { open, clock } = lab(t);
  const access = await open();
  const token = await access.invite('hv1', clock.now() + HOUR_MS);
  await access.enrol(token, { serial: FIRST, expiresMs: 9e15 });
  const other = await access.invite('hv1', clock.now() + HOUR_MS);
  let heard = 0;
  access.onRevoked(() => (heard += 1));
  await access.revokeAgent('hv1');
  t.equal(heard, 1);
  t.notOk(access.isKnown(AGENT, FIRST));
  t.throws(() => access.hostOf(other), { code: 'UNAUTHENTICATED' }, 'nor does an invitation help');
  await t.rejects(access.addCertificate(AGENT, { serial: SECOND, expiresMs: 9e15 }, FIRST), {
    code: 'UNAUTHENTICATED',
  });
  t.match(await access.revokeAgent('hv1'), { agent: { revokedMs: clock.now() }, invitations: 0 }, 'again is the same');
  t.match((await open()).agents(), [{ host: 'hv1', revokedMs: clock.now(), certificates: [] }]);
  await access.invite('hv2', clock.now() + HOUR_MS);
  await access.invite('hv2', clock.now() + 2 * HOUR_MS);
  t.same([...access.invitations()], [['hv2', clock.now() + 2 * HOUR_MS]]);
  t.same(await access.revokeAgent('hv2'), { host: 'hv2', invitations: 2 }, 'one that was only invited');
  t.same([...access.invitations()], []);
  t.same(
    (await open()).agents().map(({ host }) => host),
    ['hv1'],
    'is no agent then',
  );
  await access.invite('hv4', clock.now() + HOUR_MS);
  clock.advance(HOUR_MS);
  t.same([...access.invitations()], [], 'nor is one whose time is over an invitation');
  await t.rejects(access.revokeAgent('hv4'), { code: 'NOT_FOUND' });
  await t.rejects(access.revokeAgent('hv3'), { code: 'NOT_FOUND' });
});

void t.test('when an agent was seen is written down with what comes next', async (t) => {
  const { open, clock } = lab(t);
  const access = await open();
  await access.close();
  const token = await access.invite('hv1', clock.now() + HOUR_MS);
  await access.enrol(token, { serial: FIRST, expiresMs: 9e15 });
  clock.advance(1000);
  access.saw('hv1');
  t.equal(access.agents()[0]?.lastSeenMs, clock.now());
  t.equal((await open()).agents()[0]?.lastSeenMs, clock.now() - 1000);
  await access.close();
  t.equal((await open()).agents()[0]?.lastSeenMs, clock.now());
});

void t.test('a damaged file is an error that lets nobody in, and is left as it is', async (t) => {
  const { open, file, clock } = lab(t);
  const access = await open();
  await access.addAdministrator('anna', clock.now() + HOUR_MS);
  await access.addAdministrator('bert');
  await access.enrol(await access.invite('hv1', clock.now() + HOUR_MS), { serial: FIRST, expiresMs: 9e15 });
  await access.invite('hv1', clock.now() + HOUR_MS);
  const whole = readFileSync(file, 'utf8');
  const wrongs = [
    '',
    '{}',
    whole.slice(0, -10),
    whole.replace('"version": 1', '"version": 2'),
    whole.replace('"anna"', '"../x"'),
    whole.replace('"bert"', '"anna"'),
    whole.replace('"hv1"', '"hv 1"'),
    whole.replace(/"hash": "./, '"hash": "X'),
    whole.replace(/"expiresMs": \d+/, '"expiresMs": "never"'),
    whole.replace(/"createdMs"/, '"created"'),
  ];
  for (const text of wrongs) {
    t.not(text, whole);
    writeFileSync(file, text);
    await t.rejects(open(), { code: 'STORE_DAMAGED', message: /access\.json.* is damaged/, hint: /copy/ }, text);
    t.equal(readFileSync(file, 'utf8'), text);
  }
  rmSync(file);
  mkdirSync(file);
  await t.rejects(open(), { code: 'STORE_FAILED' });
});

void t.test('there is an end to what is kept', async (t) => {
  const { open, file, clock } = lab(t);
  const entry = (number: number): object => ({
    name: `a${number}`,
    id: number.toString(16).padStart(16, '0'),
    hash: 'a'.repeat(64),
    createdMs: 0,
    certificates: [],
  });
  const administrators = Array.from({ length: 4096 }, (_, number) => entry(number));
  writeFileSync(file, JSON.stringify({ version: 1, administrators, joins: [], agents: [] }));
  const access = await open();
  await t.rejects(access.addAdministrator('anna', clock.now()), { code: 'BAD_ARGUMENT', message: /4096 tokens/ });
});
