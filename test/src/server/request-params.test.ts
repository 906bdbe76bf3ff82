import t from 'tap';
import * as params from '../../../src/server/request-params.js';

void t.test('a backup needs an image', async (t) => {
  const request = { machine: 'web1', images: [{ path: '/a', name: 'vda', format: 'raw' }], configs: [], reread: false };
  t.same(params.backupParams(request, ''), request);
  t.throws(() => params.backupParams({ ...request, images: [] }, ''), { message: /"images"/ });
  t.throws(() => params.backupParams({ ...request, images: [{ path: 'a' }] }, ''), { message: /"images\[0\]\.path"/ });
  const format = [{ path: '/a', format: 'zip' }];
  t.throws(() => params.backupParams({ ...request, images: format }, ''), { message: /"images\[0\]\.format"/ });
});

void t.test('a version needs a machine', async (t) => {
  t.same(params.verifyParams({}, ''), {});
  t.same(params.verifyParams({ machine: 'web1', version: 'latest' }, ''), { machine: 'web1', version: 'latest' });
  t.throws(() => params.verifyParams({ version: 'latest' }, ''), { code: 'BAD_ARGUMENT' });
  const mount = { mountPoint: '/m', allowOther: false, leased: false };
  t.same(params.mountParams(mount, ''), mount);
  t.throws(() => params.mountParams({ ...mount, version: 'latest' }, ''), { code: 'BAD_ARGUMENT' });
});

void t.test('a job has a number', async (t) => {
  t.equal(params.jobId('12', 'id'), 12);
  for (const text of ['0', '-1', '1.5', 'x', '9'.repeat(30), undefined]) {
    t.throws(() => params.jobId(text, 'id'), { code: 'BAD_ARGUMENT' });
  }
});
