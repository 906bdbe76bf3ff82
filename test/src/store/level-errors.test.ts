import t from 'tap';
import { UmbraError } from '../../../src/common/errors.js';
import { closedError, inUseError, levelError } from '../../../src/store/level-errors.js';

function coded(code: string | undefined, message: string, cause?: unknown): Error {
  return Object.assign(new Error(message, { cause }), code === undefined ? {} : { code });
}

t.test('what LevelDB says becomes a code', (t) => {
  const cases: readonly (readonly [Error, string])[] = [
    [coded('LEVEL_LOCKED', 'IO error: lock /s/LOCK: Resource temporarily unavailable'), 'STORE_IN_USE'],
    [coded('LEVEL_CORRUPTION', 'Corruption: bad block contents'), 'STORE_DAMAGED'],
    [coded('LEVEL_IO_ERROR', 'IO error: /s/000005.ldb: No such file or directory'), 'STORE_DAMAGED'],
    [coded('LEVEL_IO_ERROR', 'IO error: /s/000005.ldb: Invalid argument'), 'STORE_DAMAGED'],
    [coded('LEVEL_IO_ERROR', 'IO error: /s/000005.log: No space left on device'), 'STORE_FULL'],
    [coded('LEVEL_IO_ERROR', 'IO error: /s/000005.log: Disk quota exceeded'), 'STORE_FULL'],
    [coded('ENOSPC', 'ENOSPC: no space left on device, mkdir'), 'STORE_FULL'],
    [coded('LEVEL_IO_ERROR', 'IO error: /s/000005.ldb: Input/output error'), 'STORE_FAILED'],
    [coded('EACCES', 'EACCES: permission denied'), 'STORE_FAILED'],
    [coded(undefined, 'Invalid argument: comparator'), 'STORE_FAILED'],
  ];
  for (const [cause, code] of cases) {
    const direct = levelError(cause, 'read', '/s');
    t.match(direct, { name: 'UmbraError', code, cause }, cause.message);
    t.match(direct.message, /\/s/, 'names the database');
    const wrapped = coded('LEVEL_DATABASE_NOT_OPEN', 'Database failed to open', cause);
    t.match(levelError(wrapped, 'open', '/s'), { code, cause }, 'wrapped by abstract-level');
  }
  t.end();
});

t.test('our own errors stay as they are', (t) => {
  const own = new UmbraError('STORE_FULL', 'full');
  t.equal(levelError(own, 'write', '/s'), own);
  t.equal(closedError('/s').code, 'STORE_FAILED');
  t.equal(inUseError('/s').code, 'STORE_IN_USE');
  t.end();
});
