import t from 'tap';
import { decodeNokey, encodeNokey, isWholeName, nokeyBytes } from '../../../../mount/filesystems/ext/nokey-name.js';

void t.test('an encrypted name is shown in a form that leads back to it', async (t) => {
  for (const length of [1, 16, 149, 150, 255]) {
    const name = Buffer.alloc(length, 0xab);
    const decoded = decodeNokey(encodeNokey(name, [7, 0xffffffff]));
    t.same(decoded, { hash: [7, 0xffffffff], bytes: nokeyBytes(name) });
    t.equal(decoded !== undefined && isWholeName(decoded), length <= 149);
  }
});

void t.test('what is no such name leads nowhere', async (t) => {
  for (const name of ['', 'AAAA', 'not/base64url!', 'A'.repeat(300), 'AAAAAAAAAAAAAAAB=']) {
    t.equal(decodeNokey(name), undefined);
  }
});
