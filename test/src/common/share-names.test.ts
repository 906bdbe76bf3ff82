import t from 'tap';
import { checkShareName, isSharePath, parseShareTarget } from '../../../src/common/share-names.js';

t.test('names', async (t) => {
  for (const name of ['data', 'vm7.feas.ad.data', 'A_b-9', 'x'.repeat(80)]) t.equal(checkShareName(name), name);
  for (const name of ['', '.a', 'a b', 'global', 'HOMES', 'a$', 'x'.repeat(81), 'ä', 'a/b', ']']) {
    t.throws(() => checkShareName(name), { code: 'BAD_NAME' }, name);
  }
});

t.test('targets', async (t) => {
  t.same(parseShareTarget('web1:/vda1/srv/data'), { machine: 'web1', path: 'vda1/srv/data' });
  t.same(parseShareTarget('web1:vda1//a:b/'), { machine: 'web1', path: 'vda1/a:b' });
  for (const text of ['web1', 'web1:', 'web1:/', 'web1:/vda1/../x', 'web1:/./a', 'web1:/a\0']) {
    t.throws(() => parseShareTarget(text), { code: 'BAD_ARGUMENT' }, text);
  }
  t.throws(() => parseShareTarget('we b:/vda1'), { code: 'BAD_NAME' });
  t.notOk(isSharePath('a'.repeat(5000)));
});
