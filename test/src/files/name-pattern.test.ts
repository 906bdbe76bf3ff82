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
    ['A', 'a'],
  ];
  for (const [pattern, name] of bad) t.notOk(matches(pattern, name), `${pattern} does not take ${name}`);
});

t.test('the case may not matter', async (t) => {
  t.ok(matches('*.DOCX', 'Brief.docx', true));
  t.ok(matches('[A-Z]*', 'x', true));
});

t.test('many stars cost no more than one', async (t) => {
  const name = 'a'.repeat(255);
  const pattern = new NamePattern(`${'*a'.repeat(120)}*b`, false);
  // With backtracking over all stars this would never end.
  t.notOk(pattern.matches(name));
  t.ok(pattern.matches(`${name}b`));
});
