import t from 'tap';
import { unescapeName } from '../../../mount/filesystems/names.js';
import { printable } from '../../../src/common/printable.js';

t.test('what a terminal would act on is shown as bytes', async (t) => {
  t.equal(printable('/vda1/Übung 1.txt 文'), '/vda1/Übung 1.txt 文');
  t.equal(printable('a\x1b[2Jb\n'), String.raw`a\x1b[2Jb\x0a`);
  t.equal(printable('\x7f\u009b'), String.raw`\x7f\xc2\x9b`);
  t.equal(printable('gpj.\u202eexe'), String.raw`gpj.\xe2\x80\xaeexe`);
  t.equal(unescapeName(printable('a\u009b\u2028')).toString(), 'a\u009b\u2028');
});
