import t from 'tap';

import type { DamagedRange } from '../../../src/protocol/api.js';
import { adviceFor } from '../../../src/store/verify-advice.js';

const range = (machine: string, volume: string): DamagedRange => ({
  machine,
  volume,
  shadowCopy: 'x',
  offset: 0,
  length: 1,
  object: '',
  kind: 'chunk',
});
const damage = (kind: string): { object: string; kind: string; reason: string } => ({ kind, object: '1', reason: '' });

t.test('says what to do about each kind of damage', (t) => {
  t.equal(adviceFor([], []), undefined);
  t.match(adviceFor([damage('chunk')], []), /^No shadow copy refers.*"umbra gc"/);
  t.match(adviceFor([damage('index')], []), /^Run "umbra rebuild"/);
  t.match(adviceFor([damage('listing')], []), /^Run "umbra rebuild"/);
  t.match(
    adviceFor([damage('chunk')], [range('a', 'vda'), range('a', 'vdb'), range('b', 'vda')]),
    /^Run "umbra backup" for a, b:/,
  );
  t.match(adviceFor([damage('record')], [range('a', '')]), /^The record of a@x is lost: "umbra forget"/);
  t.match(
    adviceFor([damage('index'), damage('record')], [range('a', ''), range('b', 'vda')]),
    /rebuild.*forget.*backup" for b:/,
  );
  t.end();
});
