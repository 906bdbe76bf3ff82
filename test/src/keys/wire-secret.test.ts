import t from 'tap';

import { fromWireSecret, keyLabel, toWireSecret, wireSecret } from '../../../src/keys/wire-secret.js';
import { keyFile } from '../../kit/sealed.js';

t.test('a secret comes out as it went in; what is none is refused without being shown', (t) => {
  const secret = keyFile('ä');
  const sent: unknown = JSON.parse(JSON.stringify(toWireSecret(secret)));
  t.same(Buffer.from(fromWireSecret(wireSecret(sent, '')).bytes), Buffer.from(secret.bytes));
  for (const wrong of ['', '!!!!', 'QQ==QQ==', 7, 'A'.repeat(100_000)]) {
    t.throws(() => wireSecret({ source: 'key-file', secret: wrong }, ''), {
      code: 'BAD_ARGUMENT',
      message: '"secret" must be a secret in base64',
    });
  }
  t.equal(keyLabel('in the safe', 'label'), 'in the safe');
  t.throws(() => keyLabel('x'.repeat(129), 'label'), { code: 'BAD_ARGUMENT', message: /128/ });
  t.end();
});
