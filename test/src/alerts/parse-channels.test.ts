import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseConfig } from '../../../src/server/config-file.js';
import { temporaryDirectory } from '../../kit/temporary.js';

void t.test('who is told', async (t) => {
  const directory = temporaryDirectory(t);
  const file = join(directory, 'umbra.yaml');
  writeFileSync(join(directory, 'password'), 'secret\n');
  writeFileSync(join(directory, 'hook'), 'https://chat.example.org/hooks/very-secret\r\n');
  const { notify = [] } = parseConfig(
    `log: warn
notify:
  operators:
    smtp: { host: mail.example.org, user: umbra, passwordFile: password, from: umbra@x.org, to: [a@x.org, b@x.org] }
  local:
    smtp: { host: 127.0.0.1, security: none, from: umbra@x.org, to: root@localhost }
    severity: critical
  strict:
    smtp: { host: "::1", port: 2465, security: tls, from: umbra@x.org, to: root@localhost, ca: ca.pem }
  chat:
    webhook: { urlFile: hook, secretFile: password, ca: ca.pem }
    kinds: [damage, space]
    timeout: 2min
  here:
    webhook: { url: "http://localhost:8080/x" }
    kinds: damage
  pager:
    command: [/usr/local/bin/page, --level, 3]
`,
    file,
  );
  t.match(
    notify.map(({ send: _send, ...channel }) => channel),
    [
      {
        name: 'operators',
        type: 'smtp',
        target: 'a@x.org, b@x.org by mail.example.org:587',
        severity: 'warning',
        timeoutMs: 30_000,
      },
      { name: 'local', target: 'root@localhost by 127.0.0.1:25', severity: 'critical' },
      { name: 'strict', target: 'root@localhost by ::1:2465' },
      { name: 'chat', type: 'webhook', target: 'chat.example.org', kinds: ['damage', 'space'], timeoutMs: 120_000 },
      { name: 'here', target: 'localhost:8080', kinds: ['damage'] },
      { name: 'pager', type: 'command', target: '/usr/local/bin/page' },
    ],
  );
  t.notMatch(JSON.stringify(notify), /secret/);
  const signal = AbortSignal.abort();
  const message = { id: 'x', madeMs: 0, server: 's', store: '/s', items: [], more: 0, isTest: true };
  for (const channel of notify) await t.rejects(channel.send(message, { signal }), channel.name);
});

void t.test('what is wrong is named with its line', async (t) => {
  const wrong = (channel: string, message: RegExp, hint?: RegExp): void => {
    const text = `notify:\n  one:\n    command: /bin/true\n  two:\n    ${channel.replaceAll('\n', '\n    ')}\n`;
    const expected = { code: 'BAD_ARGUMENT', message, ...(hint && { hint }) };
    t.throws(() => parseConfig(text, 'u.yaml'), expected, channel);
  };
  const smtp = 'host: mail.x.org, from: a@x.org, to: b@x.org';
  wrong('{}', /^u\.yaml:4: "notify\.two" must have one of webhook, smtp and command$/);
  wrong('command: /bin/true\nwebhook: { url: "https://x.org" }', /^u\.yaml:4: .*must have one/, /several channels/);
  wrong('mail: x', /^u\.yaml:5: "mail" is not known$/, /webhook, smtp, command, kinds, severity, timeout/);
  wrong('command: true', /^u\.yaml:5: .* must be a text/);
  wrong('command: []', /a program and its arguments/);
  wrong('command: page', /absolute path/);
  wrong('command: /bin/true\nkinds: [damages]', /^u\.yaml:6: "notify\.two\.kinds\[0\]" must be one of/, /"damage"/);
  wrong('command: /bin/true\nseverity: 1', /must be one of warning, critical/);
  wrong('command: /bin/true\ntimeout: 1h', /at most 10min/);
  wrong('webhook: {}', /has no url/);
  wrong('webhook: { url: "http://x.org" }', /"notify\.two\.webhook\.url" is wrong: .*https/);
  wrong('webhook:\n  urlFile: /nowhere/url', /^u\.yaml:6: .*urlFile" is wrong: the secret cannot be read/);
  wrong('webhook: { url: "https://x.org", secretEnv: "A B" }', /must be the name of an environment variable/);
  wrong('webhook: { url: "https://x.org", secretEnv: A, secretFile: b }', /another, to the secret/);
  wrong(`smtp: { ${smtp.replace('a@x.org', 'nobody')} }`, /an address of mail/);
  wrong(`smtp: { ${smtp.replace('b@x.org', '"b@x.org\\r\\nBcc: c@x.org"')} }`, /an address of mail/);
  wrong(`smtp: { ${smtp.replace('b@x.org', '[]')} }`, /must have 1 to 100 addresses/);
  wrong('smtp: { from: a@x.org, to: b@x.org }', /has no host/);
  wrong(`smtp: { ${smtp.replace('mail.x.org', '"a b"')} }`, /a DNS name or an IP address/);
  wrong(`smtp: { ${smtp}, port: 0 }`, /must be a port/);
  wrong(`smtp: { ${smtp}, user: me }`, /has no password/);
  wrong(`smtp: { ${smtp}, passwordEnv: PATH }`, /has a password and no user/);
  wrong(`smtp: { ${smtp}, security: none, user: me, passwordEnv: PATH }`, /in the clear/);
  t.throws(() => parseConfig('notify: { "a b": { command: /bin/true } }', 'u.yaml'), { message: /is no name/ });
  const many = Array.from({ length: 33 }, (_, index) => `  c${index}: { command: /bin/true }\n`).join('');
  t.throws(() => parseConfig(`notify:\n${many}`, 'u.yaml'), { message: /more than 32 channels/ });
  t.same(parseConfig('notify:', 'u.yaml'), { notify: [] });
});
