import t from 'tap';
import { isEntryName } from '../../mount/node.js';

t.test('names that can stand in a directory', (t) => {
  for (const name of ['a', 'vm.xml', '...', '.hidden', 'new\nline', 'ü'.repeat(127)]) t.ok(isEntryName(name), name);
  t.end();
});

t.test('names that would lead elsewhere or that the kernel refuses', (t) => {
  for (const name of ['', '.', '..', '../etc/passwd', 'a/b', 'nul\0', 'x'.repeat(256), 'ü'.repeat(128)]) {
    t.notOk(isEntryName(name), JSON.stringify(name));
  }
  t.end();
});
