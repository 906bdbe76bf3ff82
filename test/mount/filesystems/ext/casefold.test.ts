import t from 'tap';
import { foldName } from '../../../../mount/filesystems/ext/casefold.js';

const fold = (name: string): string => foldName(Buffer.from(name, 'utf8')).toString('utf8');

void t.test('names that differ in case only are one', async (t) => {
  t.equal(fold('ReadMe.TXT'), 'readme.txt');
  t.equal(fold('STRASSE'), fold('stra\u00dfe'));
  t.equal(fold('\u1e9e'), 'ss');
  t.equal(fold('\u00c4'), fold('a\u0308'), 'composed and decomposed');
  t.equal(fold('\u03a3\u03c2'), '\u03c3\u03c3', 'a sigma at the end is a sigma');
  t.equal(fold('\u0131'), '\u0131');
  t.not(fold('\u0131'), fold('i'));
  t.equal(fold('\uab70'), fold('\u13a0'));
  t.equal(fold('a\u00adb\u200b'), 'ab\u200b'.replace('\u200b', ''), 'what is ignorable is dropped');
});

void t.test('a name that is not UTF-8 stands for itself', async (t) => {
  t.same(foldName(Buffer.of(0x41, 0xff)), Buffer.of(0x41, 0xff));
});
