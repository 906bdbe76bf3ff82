import t from 'tap';
import { findStore } from '../../../src/cli/store-path.js';

const user = { variables: {}, directory: '/here', home: '/home/me', isRoot: false };

void t.test('the option, the variable, the default', async (t) => {
  const variables = { UMBRA_STORE: 'there', XDG_DATA_HOME: '/data' };
  t.same(findStore('x', { ...user, variables }), { path: '/here/x', isDefault: false });
  t.same(findStore(undefined, { ...user, variables }), { path: '/here/there', isDefault: false });
  t.same(findStore(undefined, user), { path: '/home/me/.local/share/umbra', isDefault: true });
  const data = { UMBRA_STORE: '', XDG_DATA_HOME: '/data' };
  t.same(findStore(undefined, { ...user, variables: data }), { path: '/data/umbra', isDefault: true });
  t.same(findStore(undefined, { ...user, isRoot: true }), { path: '/var/lib/umbra', isDefault: true });
});
