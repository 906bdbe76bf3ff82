import t from 'tap';
import { formatToken, parseToken, requireToken } from '../../../src/protocol/token.js';

const TOKEN = { kind: 'join', id: '0123456789abcdef', secret: 'S'.repeat(43), authority: 'f'.repeat(64) } as const;
const TEXT = `umbra-join-0123456789abcdef.${'S'.repeat(43)}.${'f'.repeat(64)}`;

void t.test('a token is one word that is read as it was written', async (t) => {
  t.equal(formatToken(TOKEN), TEXT);
  t.same(parseToken(TEXT), TOKEN);
  t.same(requireToken(`${TEXT}\n`, 'join'), TOKEN);
  t.same(parseToken(formatToken({ ...TOKEN, kind: 'admin' })), { ...TOKEN, kind: 'admin' });
});

void t.test('what is no token is refused, and kept out of the message', async (t) => {
  for (const text of ['', 'x', TEXT.slice(0, -1), ` ${TEXT}`, TEXT.replace('join', 'root'), TEXT.toUpperCase()]) {
    t.equal(parseToken(text), undefined, text);
  }
  t.throws(() => requireToken(TEXT.slice(0, 60), 'join'), {
    code: 'BAD_ARGUMENT',
    message: /^the token is not a join token: it is no token, or not all of one$/,
    hint: /umbra agent invite/,
  });
  t.throws(() => requireToken(TEXT, 'admin'), { message: /of the kind "join"/, hint: /umbra token add/ });
});
