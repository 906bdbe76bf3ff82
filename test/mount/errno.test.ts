import { constants } from 'node:os';
import t from 'tap';
import { UmbraError } from '../../src/common/errors.js';
import { errnoOf, isTrouble } from '../../mount/errno.js';
import { TreeError } from '../../mount/tree-error.js';

t.test('every error is one negative errno', (t) => {
  const { errno } = constants;
  t.equal(errnoOf(new TreeError('ENOENT', '/a')), -errno.ENOENT);
  t.equal(errnoOf(new TreeError('ENOTDIR', '/a')), -errno.ENOTDIR);
  t.equal(errnoOf(new TreeError('EROFS', '/a')), -errno.EROFS);
  t.equal(errnoOf(new UmbraError('NOT_FOUND', 'gone')), -errno.ENOENT);
  for (const code of ['STORE_DAMAGED', 'STORE_FAILED', 'STORE_FULL', 'INTERNAL', 'SERVER_STOPPING'] as const) {
    t.equal(errnoOf(new UmbraError(code, 'trouble')), -errno.EIO, `${code} is never "not found"`);
  }
  t.equal(errnoOf(new TypeError('a defect')), -errno.EIO);
  t.equal(errnoOf(undefined), -errno.EIO);
  t.end();
});

t.test('what belongs in the log', (t) => {
  t.ok(isTrouble(new UmbraError('STORE_DAMAGED', 'chunk')));
  t.ok(isTrouble(new TypeError('a defect')));
  t.ok(isTrouble(new TreeError('ENFILE', '/a')));
  t.notOk(isTrouble(new TreeError('ENOENT', '/a')));
  t.notOk(isTrouble(new UmbraError('NOT_FOUND', 'forgotten')));
  t.end();
});
