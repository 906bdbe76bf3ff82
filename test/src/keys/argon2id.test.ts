import { argon2id as noble } from '@noble/hashes/argon2.js';
import t from 'tap';

import { argon2id, ARGON2ID_COST, isArgon2idCost } from '../../../src/keys/argon2id.js';

t.test('RFC 9106, section 5.3: the vector, with the library that does the work', (t) => {
  const tag = noble(Buffer.alloc(32, 1), Buffer.alloc(16, 2), {
    m: 32,
    t: 3,
    p: 4,
    dkLen: 32,
    key: Buffer.alloc(8, 3),
    personalization: Buffer.alloc(12, 4),
  });
  t.equal(Buffer.from(tag).toString('hex'), '0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659');
  t.end();
});

t.test('vectors of the reference implementation', async (t) => {
  for (const [memoryKiB, passes, lanes, wanted] of [
    [256, 2, 1, '9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe'],
    [256, 2, 2, '6d093c501fd5999645e0ea3bf620d7b8be7fd2db59c20d9fff9539da2bf57037'],
  ] as const) {
    const key = await argon2id(Buffer.from('password'), Buffer.from('somesalt'), { memoryKiB, passes, lanes });
    t.equal(key.toString('hex'), wanted);
  }
});

t.test('a cost that a file may not ask for', (t) => {
  t.ok(isArgon2idCost(ARGON2ID_COST));
  t.ok(isArgon2idCost({ memoryKiB: 8, passes: 1, lanes: 1 }));
  for (const wrong of [
    { memoryKiB: 100 * 1024 * 1024, passes: 1, lanes: 1 },
    { memoryKiB: 1024 * 1024, passes: 9, lanes: 1 },
    { memoryKiB: 64, passes: 65, lanes: 1 },
    { memoryKiB: 8, passes: 1, lanes: 2 },
    { memoryKiB: 64.5, passes: 1, lanes: 1 },
    { memoryKiB: 64, passes: 0, lanes: 1 },
    { memoryKiB: '64', passes: 1, lanes: 1 },
    { memoryKiB: 64, passes: 1, lanes: undefined },
  ])
    t.notOk(isArgon2idCost(wrong), JSON.stringify(wrong));
  t.end();
});
