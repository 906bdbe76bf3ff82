import t from 'tap';
import { readBoot } from '../../../src/system/boot-time.js';

t.test('the start of the machine has a name, and is some time ago', (t) => {
  const first = readBoot();
  const second = readBoot();
  t.match(first.id, /^[0-9a-f-]{36}$/);
  t.equal(second.id, first.id);
  t.ok(first.uptimeMs > 0 && second.uptimeMs >= first.uptimeMs);
  t.end();
});
