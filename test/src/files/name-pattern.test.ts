import t from 'tap';
import { NamePattern } from '../../../src/files/name-pattern.js';

function matches(pattern: string, name: string, ignoreCase = false): boolean {
  return new NamePattern(pattern, ignoreCase).matches(name);
}

t.test('patterns', async (t) => {
  const good: [string, string][] = [
    ['', ''],
    ['*', ''],
    ['*', '.hidden'],
    ['a*', 'a'],
    ['*.conf', 'a.conf'],
    ['a*b*c', 'aXbXbXc'],
    ['a**c', 'abc'],
    ['?', 'x'],
    ['?', '😀'],
    ['*?', '😀😀'],
    ['[a-c]x', 'bx'],
    ['[!a-c]x', 'dx'],
    ['[^a]', 'b'],
    ['[]a]', ']'],
    ['[a-]', '-'],
    ['[abc', '[abc'],
    [String.raw`\*`, '*'],
    [String.raw`\[a]`, '[a]'],
    [String.raw`caf\xe9`, String.raw`caf\xe9`],
    [String.raw`*\xe9`, String.raw`caf\xe9`],
    ['end\\', 'end\\'],
    // Names as they are printed: what is not escaped in them stands for its bytes there, too.
    [String.raw`new\x0a*`, 'new\nline.odt'],
    [String.raw`\xe2\x80\xaegnp`, '\u202egnp'],
    [String.raw`a\x0a\xe9?`, `a\n${String.raw`\xe9`}b`],
    [String.raw`*[\x0a\x0d]`, 'line\r'],
    [String.raw`\x2a`, '*'],
    [String.raw`\x2f\x00`, String.raw`\x2f\x00`],
    [String.raw`\x5cx41`, String.raw`\x5cx41`],
    [String.raw`\x5cy`, String.raw`\y`],
    ['*ß*', 'straße'],
  ];
  for (const [pattern, name] of good) t.ok(matches(pattern, name), `${pattern} takes ${name}`);
  const bad: [string, string][] = [
    ['', 'a'],
    ['a', ''],
    ['a', 'ab'],
    ['?', ''],
    ['a*b', 'abc'],
    ['*.conf', 'a.config'],
    ['[a-c]', 'd'],
    ['[!a-c]', 'b'],
    [String.raw`\*`, 'a'],
    [String.raw`\x2a`, 'a'],
    [String.raw`new\x0a*`, String.raw`new\x0aline`],
    ['A', 'a'],
  ];
  for (const [pattern, name] of bad) t.notOk(matches(pattern, name), `${pattern} does not take ${name}`);
});

t.test('the case may not matter', async (t) => {
  t.ok(matches('*.DOCX', 'Brief.docx', true));
  t.ok(matches('[A-Z]*', 'x', true));
  t.ok(matches(String.raw`\xC3\x89*`, 'état', true));
});

t.test('many stars cost no more than one', async (t) => {
  const name = 'a'.repeat(255);
  const pattern = new NamePattern(`${'*a'.repeat(120)}*b`, false);
  // With backtracking over all stars this would never end.
  t.notOk(pattern.matches(name));
  t.ok(pattern.matches(`${name}b`));
});
