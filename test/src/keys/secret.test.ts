import t from 'tap';

import { kindsFor, makeSecret, slotKindOf } from '../../../src/keys/secret.js';

t.test('the end of a line is not part of a secret', (t) => {
  for (const text of ['words', 'words\n', 'words\r\n']) {
    t.equal(Buffer.from(makeSecret('passphrase', Buffer.from(text), 'it').bytes).toString(), 'words');
  }
  t.equal(Buffer.from(makeSecret('passphrase', Buffer.from('two\n\n'), 'it').bytes).toString(), 'two\n');
  t.throws(() => makeSecret('key-file', Buffer.from('\n'), 'FILE'), {
    code: 'KEY_UNREADABLE',
    message: 'FILE is empty',
  });
  t.throws(() => makeSecret('key-file', Buffer.alloc(3_073), 'FILE'), { code: 'KEY_UNREADABLE', message: /3072/ });
  t.end();
});

t.test('a key file is a key, everything else a passphrase; what is short is refused', (t) => {
  const secret = (source: 'key-file' | 'passphrase' | 'command', bytes: number): ReturnType<typeof makeSecret> =>
    makeSecret(source, Buffer.alloc(bytes, 'k'), 'it');
  t.equal(slotKindOf(secret('key-file', 32)), 'key');
  t.equal(slotKindOf(secret('command', 64)), 'passphrase');
  t.equal(slotKindOf(secret('passphrase', 8)), 'passphrase');
  t.throws(() => slotKindOf(secret('key-file', 31)), { code: 'BAD_ARGUMENT', hint: /--passphrase-file/ });
  t.throws(() => slotKindOf(secret('passphrase', 7)), { code: 'BAD_ARGUMENT' });
  t.same(kindsFor(secret('key-file', 32)), ['key']);
  t.same(kindsFor(secret('passphrase', 32)), ['passphrase']);
  t.same(kindsFor(secret('command', 32)), ['key', 'passphrase']);
  t.end();
});
