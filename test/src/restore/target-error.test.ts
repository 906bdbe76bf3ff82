import t from 'tap';

import { UmbraError } from '../../../src/common/errors.js';
import { busy, targetError } from '../../../src/restore/target-error.js';
import { WorkerError } from '../../../src/workers/pool.js';

function systemError(code: string): Error {
  return Object.assign(new RangeError(`${code}: no`), { code });
}

t.test('system calls that failed', async (t) => {
  t.match(targetError('/x', systemError('ENOSPC')), {
    code: 'TARGET_FULL',
    message: 'the disk of /x is full',
    hint: /again/,
  });
  t.match(targetError('/x', systemError('EDQUOT')), { message: 'the disk of /x is full' });
  t.match(targetError('/x', systemError('EBUSY')), { code: 'TARGET_BUSY' });
  t.match(targetError('/x', systemError('ETXTBSY')), { code: 'TARGET_BUSY' });
  t.match(targetError('/x', systemError('ENOENT')), { code: 'TARGET_FAILED', hint: /directory/ });
  t.match(targetError('/x', systemError('EIO')), { code: 'TARGET_FAILED', message: '/x cannot be written: EIO: no' });
  const inWorker = new WorkerError({ kind: 'system', message: 'ENOSPC: no', systemCode: 'ENOSPC' });
  t.match(targetError('/x', inWorker), { code: 'TARGET_FULL', cause: inWorker });
});

t.test('other errors stay what they are', async (t) => {
  const others = [
    new RangeError('a defect'),
    new UmbraError('STORE_DAMAGED', 'damaged'),
    new WorkerError({ kind: 'defect', message: 'a defect', systemCode: 'ERR_OUT_OF_RANGE' }),
    'text',
  ];
  for (const error of others) t.equal(targetError('/x', error), error);
});

t.test('busy', async (t) => {
  t.match(busy('/x', 'it is mounted'), { code: 'TARGET_BUSY', message: '/x is in use: it is mounted' });
});
