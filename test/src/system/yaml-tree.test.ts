import t from 'tap';
import { YamlPart } from '../../../src/system/yaml-tree.js';

t.test('parts know their names and lines', (t) => {
  const parts = YamlPart.of('a: 1\nb:\n  - x\n  -\n    c: true\nf: &g [1, 2]\nh: *g\ni:\n', 'f.yaml').entries();
  t.same([...parts.keys()], ['a', 'b', 'f', 'h', 'i']);
  t.equal(parts.get('a')?.scalar(), 1);
  const [x, c] = parts.get('b')?.items() ?? [];
  t.same([x?.where, x?.name, x?.scalar()], ['f.yaml:3', 'b[0]', 'x']);
  t.same([c?.where, c?.isMap(), c?.scalar()], ['f.yaml:5', true, undefined]);
  const inner = c?.fields(['c']).get('c');
  t.same([inner?.where, inner?.name, inner?.scalar()], ['f.yaml:5', 'b[1].c', true]);
  t.same(
    parts
      .get('h')
      ?.items()
      .map((item) => item.scalar()),
    [1, 2],
    'an alias is what it stands for',
  );
  t.same(parts.get('a')?.items().length, 1, 'a single value is a list of one');
  t.equal(parts.get('i')?.isEmpty(), true);
  t.same(parts.get('i')?.items(), []);
  t.same(parts.get('i')?.entries().size, 0);
  t.match(parts.get('h')?.wrong('is bad', 'do better'), { message: 'f.yaml:7: "h" is bad', hint: 'do better' });
  t.end();
});

t.test('what is no map, no list or not known is refused with its line', (t) => {
  const parts = YamlPart.of('a: 1\nb:\n  cat: 1\n  ? [x]\n  : 2\n', 'f.yaml').entries();
  const refused = (what: () => unknown, message: RegExp): unknown => t.throws(what, { code: 'BAD_ARGUMENT', message });
  refused(() => parts.get('a')?.entries(), /^f\.yaml:1: "a" must have lines/);
  refused(() => parts.get('b')?.items(), /^f\.yaml:2: "b" must be a list/);
  refused(() => parts.get('b')?.entries(), /^f\.yaml:4: a name must be a single word/);
  refused(() => YamlPart.of('a: 1\ncta: 2', 'f.yaml').fields(['a', 'cat']), /^f\.yaml:2: "cta" is not known/);
  refused(() => YamlPart.of('a: [', 'f.yaml'), /^f\.yaml:\d/);
  refused(() => YamlPart.of('[1, 2]', 'f.yaml').entries(), /^f\.yaml:1: it must have lines/);
  t.same(YamlPart.of('', 'f.yaml').entries().size, 0);
  t.end();
});
