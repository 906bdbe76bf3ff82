import t from 'tap';
import { listIn, numberIn, parseConfigText, sectionIn, stringIn } from '../../../../mount/disk/lvm/config-text.js';

const TEXT = `# a comment { with marks
contents = "Text \\"quoted\\" \\\\"
vg0 {  # the group
\tid='single # no comment'
\tnumbers = [1, -2, 3.5, "four", five]
\tempty = []
\tinner { deep = 7 }
\tword = yes
}
last = 1# at the end`;

t.test('sections, values and lists', async (t) => {
  const top = parseConfigText(TEXT);
  t.same([...top.keys()], ['contents', 'vg0', 'last']);
  t.equal(stringIn(top, 'contents'), 'Text "quoted" \\');
  const group = sectionIn(top, 'vg0') ?? new Map<string, never>();
  t.equal(stringIn(group, 'id'), 'single # no comment');
  t.same(listIn(group, 'numbers'), [1, -2, 3.5, 'four', 'five']);
  t.same(listIn(group, 'empty'), []);
  t.same(listIn(group, 'id'), ['single # no comment']);
  t.same(listIn(group, 'nothing'), []);
  t.same(listIn(group, 'inner'), []);
  t.equal(numberIn(sectionIn(group, 'inner') ?? group, 'deep'), 7);
  t.equal(numberIn(group, 'nothing', 3), 3);
  t.equal(stringIn(group, 'numbers'), '');
  t.equal(sectionIn(group, 'word'), undefined);
  for (const name of ['nothing', 'id', 'inner', 'numbers'])
    t.throws(() => numberIn(group, name), { code: 'FILESYSTEM_DAMAGED' });
  t.throws(() => numberIn(parseConfigText('a = -1'), 'a'), { code: 'FILESYSTEM_DAMAGED' });
  t.throws(() => numberIn(parseConfigText('a = 99999999999999999'), 'a'), { code: 'FILESYSTEM_DAMAGED' });
});

t.test('what is no such text', async (t) => {
  for (const text of [
    'a',
    'a =',
    'a = }',
    'a { b',
    'a = [1',
    'a = [1 = 2]',
    '}',
    'a "b',
    'a , b',
    'a = 1 "open',
    'a { { }',
  ]) {
    t.throws(() => parseConfigText(text), { code: 'FILESYSTEM_DAMAGED', message: /can't be parsed/ }, text);
  }
  t.throws(() => parseConfigText('a {'.repeat(20)), { code: 'FILESYSTEM_DAMAGED' }, 'too deep');
  t.throws(() => parseConfigText('a = 1\n'.repeat(600_000)), {
    code: 'FILESYSTEM_DAMAGED',
    message: /too many values/,
  });
  t.equal(parseConfigText(' # nothing\n').size, 0);
});
