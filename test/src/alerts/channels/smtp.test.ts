import { writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { sendMail, type SmtpOptions } from '../../../../src/alerts/channels/smtp.js';
import type { Message } from '../../../../src/alerts/message.js';
import { selfSigned } from '../../../kit/self-signed.js';
import { someMessage } from '../../../kit/some-message.js';
import { startSmtpSink } from '../../../kit/smtp-sink.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

const LONG_MS = 60_000;

function send(options: SmtpOptions, message: Message, only?: readonly string[]): ReturnType<typeof sendMail> {
  return sendMail(options, message, { signal: AbortSignal.timeout(LONG_MS), ...(only && { only }) });
}

void t.test('mail over STARTTLS, with a login, to a server of other people', async (t) => {
  const directory = temporaryDirectory(t);
  const keys = selfSigned(directory);
  const file = join(directory, 'password');
  writeFileSync(file, 'secret word\n');
  const { port, mails, until } = await startSmtpSink(t, keys, 'starttls');
  const options = {
    host: 'localhost',
    port,
    security: 'starttls',
    login: { user: 'umbra', password: { file } },
    from: 'umbra@example.org',
    to: ['anna@example.org', 'ops@example.org'],
    ca: keys.cert,
  } as const;
  const message = someMessage();
  t.same(await send(options, message), { notes: [] });
  await until(1);
  const [mail] = mails;
  t.match(mail, { from: 'umbra@example.org', to: options.to, user: 'umbra', isEncrypted: true });
  t.match(mail?.data, /^Message-ID: <umbra-9b2f8c3e-1111-4222-8333-444455556666@backup1>\r$/im);
  t.match(mail?.data, /^Umbra-Alert-Id: 9b2f8c3e-1111-4222-8333-444455556666\r$/im);
  t.match(mail?.data, /^Subject: \[umbra backup1\] CRITICAL data-loss web\r$/m);
  t.match(mail?.data, /^To: anna@example.org, ops@example.org\r$/m);
  t.match(mail?.data, /web has no shadow copy/);

  t.test('some recipients are refused, for now and for good', async (t) => {
    const to = ['later@example.org', 'anna@example.org', 'refused@example.org'];
    const result = await send({ ...options, to }, message);
    t.same(result.left, ['later@example.org']);
    t.match(result.notes, [/^refused for refused@example.org: .*550 5.1.1 \\x1b\[31mno such user/]);
    await until(2);
    t.same(mails.at(-1)?.to, ['anna@example.org']);
    t.same(await send({ ...options, to }, message, result.left), { notes: [] });
    await until(3);
    t.same(mails.at(-1)?.to, ['later@example.org']);
    t.match(mails.at(-1)?.data, /^To: later@example.org, anna@example.org, refused@example.org\r$/m);
  });

  t.test('what fails says why, without the password', async (t) => {
    const fails = async (change: Partial<SmtpOptions>, why: RegExp): Promise<void> => {
      await t.rejects(send({ ...options, ...change }, message), { code: 'NOTIFY_FAILED', message: why });
    };
    await fails({ to: ['refused@example.org'] }, /^localhost:\d+ does not take mail: .*550/);
    await fails({ to: ['full@example.org'] }, /452 4.3.1 no room/);
    await until(4);
    const before = mails.length;
    await fails({ to: ['cut@example.org'] }, /does not take mail/);
    t.equal(mails.length, before, 'it was cut off before it was whole');
    await fails({ to: ['lost@example.org'] }, /does not take mail/);
    await until(before + 1);
    t.equal(mails.length, before + 1, 'nobody heard the yes: it is to be told again');
    writeFileSync(file, 'wrong word');
    await fails({}, /535/);
    await t.rejects(send(options, message), { message: /^((?!wrong word).)*$/ });
    await fails({ login: { user: 'umbra', password: { file: '/nowhere/password' } } }, /cannot be read/);
    await fails({ ca: '/nowhere/ca' }, /authorities cannot be read/);
    const { ca: _ca, ...strangers } = options;
    await t.rejects(send(strangers, message), { message: /self-signed certificate/ });
    await fails({ port: 1 }, /ECONNREFUSED/);
  });
});

void t.test('TLS from the beginning, and none', async (t) => {
  const directory = temporaryDirectory(t);
  const keys = selfSigned(directory);
  process.env['UMBRA_TEST_SMTP'] = 'secret word';
  const login = { user: 'umbra', password: { variable: 'UMBRA_TEST_SMTP' } } as const;
  const base = { host: 'localhost', from: 'a@x', to: ['b@x'], ca: keys.cert } as const;
  const tls = await startSmtpSink(t, keys, 'tls');
  await send({ ...base, port: tls.port, security: 'tls', login }, someMessage());
  await tls.until(1);
  t.match(tls.mails, [{ user: 'umbra', isEncrypted: true }]);
  const none = await startSmtpSink(t, keys, 'none');
  await send({ ...base, port: none.port, security: 'none' }, someMessage());
  await none.until(1);
  t.match(none.mails, [{ user: null, isEncrypted: false }]);
  await t.rejects(
    send({ ...base, port: none.port, security: 'starttls' }, someMessage()),
    { code: 'NOTIFY_FAILED' },
    'nothing goes in the clear that is not to',
  );
  t.equal(none.mails.length, 1);
});

void t.test('a certificate for somebody else is refused; who says nothing is not waited for', async (t) => {
  const keys = selfSigned(temporaryDirectory(t), 'DNS:elsewhere.example');
  const { port, mails } = await startSmtpSink(t, keys, 'tls');
  const options = { host: 'localhost', port, security: 'tls', from: 'a@x', to: ['b@x'], ca: keys.cert } as const;
  await t.rejects(send(options, someMessage()), { code: 'NOTIFY_FAILED', message: /altnames|cert/ });
  t.same(mails, []);
  const silent = createServer();
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  t.teardown(() => silent.close());
  const { port: nobody } = silent.address() as AddressInfo;
  await t.rejects(
    sendMail({ ...options, port: nobody, security: 'none' }, someMessage(), { signal: AbortSignal.timeout(100) }),
    { code: 'NOTIFY_FAILED' },
  );
});
