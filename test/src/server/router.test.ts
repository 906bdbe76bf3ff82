import t from 'tap';
import { findRoute, parseTarget } from '../../../src/server/router.js';

const TABLE = [
  { method: 'GET', route: '/v1/stats' },
  { method: 'POST', route: '/v1/mounts' },
  { method: 'DELETE', route: '/v1/mounts' },
  { method: 'DELETE', route: '/v1/jobs/:id' },
];

void t.test('finds the entry of a method and path', async (t) => {
  t.match(findRoute(TABLE, 'DELETE', '/v1/mounts'), { target: TABLE[2], tail: undefined });
  t.match(findRoute(TABLE, 'DELETE', '/v1/jobs/7'), { target: TABLE[3], tail: '7' });
});

void t.test('says which methods there are', async (t) => {
  t.same(findRoute(TABLE, 'GET', '/v1/mounts'), { allow: ['POST', 'DELETE'] });
});

void t.test('paths are exact', async (t) => {
  for (const path of ['/', '/v1/stats/', '/v1/STATS', '/v1/jobs/', '/v1/jobs/1/2', '/v1']) {
    t.equal(findRoute(TABLE, 'GET', path), undefined, path);
  }
});

void t.test('a target is a path', async (t) => {
  t.equal(parseTarget('/v1/stats?a=b').pathname, '/v1/stats');
  for (const target of [undefined, '', '*', '//host/x', 'http://host/x', 'x']) {
    t.throws(() => parseTarget(target), { code: 'BAD_ARGUMENT' }, String(target));
  }
});
