import t from 'tap';
import {
  formatHostAndPort,
  parseHostAndPort,
  parseServerUrl,
  serverUrl,
} from '../../../src/protocol/server-address.js';

void t.test('addresses with and without a port', async (t) => {
  const good: readonly (readonly [string, string, number])[] = [
    ['0.0.0.0:1', '0.0.0.0', 1],
    ['[::]:7444', '::', 7444],
    ['::1', '::1', 7443],
    ['backup.example', 'backup.example', 7443],
    ['localhost:0', 'localhost', 0],
  ];
  for (const [text, host, port] of good) t.same(parseHostAndPort(text), { host, port }, text);
  for (const text of ['', ':7443', 'a:70000', 'a:b', '[a]:1', '[::1', 'a_b:1', 'a b', '-a', 'a..b', '1:2:3']) {
    t.throws(() => parseHostAndPort(text), { code: 'BAD_ARGUMENT', hint: /0\.0\.0\.0:7443/ }, text);
  }
  t.equal(formatHostAndPort({ host: '::1', port: 1 }), '[::1]:1');
});

void t.test('a server has one URL, however it is written', async (t) => {
  for (const text of ['https://Backup.example:7443/', 'backup.example', 'HTTPS://backup.example']) {
    t.equal(serverUrl(parseServerUrl(text)), 'https://backup.example:7443', text);
  }
  t.equal(serverUrl(parseServerUrl('https://[::1]:443')), 'https://[::1]:443');
  t.throws(() => parseServerUrl('http://a'), { code: 'BAD_ARGUMENT', hint: /https/ });
  t.throws(() => parseServerUrl('https://a/b'), { code: 'BAD_ARGUMENT', hint: /without a path/ });
});
