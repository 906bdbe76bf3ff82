import type { JsonSchema } from '../../src/common/json-schema.js';
import type { Random } from './random.js';

/** A value that a schema takes, of the kinds that parameters are of: with some of the optional fields. */
export function exampleOf(schema: JsonSchema, random: Random): unknown {
  const example = pick(schema.examples ?? schema.enum ?? [], random);
  if (example !== undefined) return example;
  switch (schema.type) {
    case 'boolean':
      return random.chance(0.5);
    case 'integer':
      return random.between(schema.minimum ?? 0, Math.min(schema.maximum ?? 1000, 1000));
    case 'number':
      return random.fraction() * 1000;
    case 'array':
      return Array.from({ length: random.between(schema.minItems ?? 0, 2) }, () =>
        exampleOf(schema.items ?? {}, random),
      );
    case 'object':
      return exampleObject(schema, random);
    default:
      return `text ${random.below(1000)}`;
  }
}

function exampleObject(schema: JsonSchema, random: Random): unknown {
  const { properties = {}, required = [], dependentRequired = {} } = schema;
  const optional = Object.keys(properties).filter((name) => !required.includes(name) && random.chance(0.5));
  const names = new Set([...required, ...optional]);
  for (const name of optional) for (const needed of dependentRequired[name] ?? []) names.add(needed);
  return Object.fromEntries([...names].map((name) => [name, exampleOf(properties[name] ?? {}, random)]));
}

/** What may be in the place of a value, most of it wrong there. */
const ODD: readonly unknown[] = [
  ...[null, true, 0, -1, 1.5, 2 ** 53, 1e300, 4, [], {}, ['a'], { name: 'a' }],
  ...['', 'a', 'latest', '0', '12', 'x y', '.', '..', 'a/b', 'a//b', '/', '/a', '/a/../b', '/a/', '/a//b', 'a/..'],
  ...['a\0b', '/a\0', 'line\nbreak', '/line\nbreak', 'ü', 'GLOBAL', 'homes', 'Homes2', 'auto', 'scan', 'raw', '-a'],
  ...['2026-11-22T10-15-00Z-2', '2026-11-22T10-15-00Z-0', 'x'.repeat(65), 'x'.repeat(129), 'x'.repeat(300)],
  ...['x'.repeat(5000), `/${'x'.repeat(70_000)}`, '\u{1f600}'.repeat(3000), `/${'\u{1f600}'.repeat(3000)}`],
  ...['/...', '/.a', '/..a/b..', '/a/./b', '\ud800', `/${'x'.repeat(4096)}`, 'x'.repeat(8193)],
];

/** A value with one thing in it changed. */
export function mutated(value: unknown, random: Random): unknown {
  if (Array.isArray(value) && value.length > 0 && random.chance(0.7)) {
    const items: unknown[] = [...(value as unknown[])];
    const at = random.below(items.length);
    items[at] = mutated(items[at], random);
    return items;
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && random.chance(0.9)) {
    const fields: [string, unknown][] = Object.entries(value);
    if (fields.length === 0 || random.chance(0.1))
      return { ...value, [random.chance(0.5) ? 'other' : '__proto__2']: 1 };
    const at = random.below(fields.length);
    const [name, of] = fields[at] ?? ['', undefined];
    if (random.chance(0.15)) fields.splice(at, 1);
    else fields[at] = [name, mutated(of, random)];
    return Object.fromEntries(fields);
  }
  return pick(ODD, random);
}

function pick<T>(choices: readonly T[], random: Random): T | undefined {
  return choices[random.below(Math.max(1, choices.length))];
}
