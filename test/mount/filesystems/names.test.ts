import t from 'tap';
import {
  escapeName,
  escapeTarget,
  escapeUtf16,
  unescapeName,
  unescapeUtf16,
} from '../../../mount/filesystems/names.js';
import { Random } from '../../kit/random.js';

t.test('what is valid is shown as it is', async (t) => {
  for (const name of [
    'a',
    'Übung',
    '日本語.txt',
    'back\\slash',
    'a\\x',
    '\\xZZ',
    '\u{feff}bom',
    '🙂',
    'a b\n',
    '\\XFF',
  ]) {
    t.equal(escapeName(Buffer.from(name)), name);
    t.same(unescapeName(name), Buffer.from(name));
    t.equal(escapeUtf16(name), name);
    t.equal(unescapeUtf16(name), name);
  }
});

t.test('what is not valid is escaped', async (t) => {
  const cases: readonly (readonly [Buffer, string])[] = [
    [Buffer.of(0xe4, 0x62), '\\xe4b'],
    [Buffer.from('a/b'), 'a\\x2fb'],
    [Buffer.from('a\0b'), 'a\\x00b'],
    [Buffer.from('\\xff'), '\\x5cxff'],
    [Buffer.concat([Buffer.from('\\xff'), Buffer.of(0xff)]), '\\x5cxff\\xff'],
    [Buffer.concat([Buffer.from('/ü\\'), Buffer.of(0xc3)]), '\\x2fü\\\\xc3'],
    [Buffer.of(0xed, 0xa0, 0x80), '\\xed\\xa0\\x80'],
    [Buffer.of(0xf5, 0x80, 0xc0, 0xaf), '\\xf5\\x80\\xc0\\xaf'],
  ];
  for (const [bytes, escaped] of cases) {
    t.equal(escapeName(bytes), escaped);
    t.same(unescapeName(escaped), bytes);
  }
  t.equal(escapeTarget(Buffer.from('../a/\\x41')), '../a/\\x5cx41');
  t.equal(escapeTarget(Buffer.concat([Buffer.from('a/'), Buffer.of(0x80)])), 'a/\\x80');
});

t.test('a name and its escaped form belong together, whatever the bytes', async (t) => {
  const random = new Random(11);
  const seen = new Map<string, string>();
  const alphabet = [0x5c, 0x78, 0x66, 0x30, 0x2f, 0x00, 0xc3, 0xa4, 0xed, 0xa0, 0x80, 0xff, 0x61];
  for (let turn = 0; turn < 20_000; turn++) {
    const bytes = Buffer.from(Array.from({ length: random.between(1, 8) }, () => alphabet[random.below(13)] ?? 0));
    const escaped = escapeName(bytes);
    if (!unescapeName(escaped).equals(bytes)) t.fail(`${bytes.toString('hex')} became ${escaped}`);
    if (/[/\0]/.test(escaped) || !escaped.isWellFormed()) t.fail(`${escaped} is no name`);
    const other = seen.get(escaped);
    if (other !== undefined && other !== bytes.toString('hex')) t.fail(`${escaped} stands for two names`);
    seen.set(escaped, bytes.toString('hex'));
  }
  t.ok(seen.size > 1000);
});

t.test('UTF-16 names with unpaired surrogates lead back to themselves', async (t) => {
  const names = ['a\ud800b', '\udfff', '\ud83d\ude42\ud83d', 'x/y', '\\x41\ud800'];
  for (const name of names) {
    t.ok(escapeUtf16(name).isWellFormed());
    t.equal(unescapeUtf16(escapeUtf16(name)), name);
  }
  t.equal(escapeUtf16('a\ud800'), 'a\\xed\\xa0\\x80');
  t.equal(unescapeUtf16('\\xff'), '\ufffd');
});
