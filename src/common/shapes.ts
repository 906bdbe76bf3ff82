import type { JsonSchema, Shape } from './json-schema.js';

/**
 * What answers look like. A shape is tied to the type that it describes: a field that is missing in one of them, or is of
 * another kind, does not compile.
 */

type OptionalKeys<T> = { [K in keyof T]-?: undefined extends T[K] ? K : never }[keyof T];
type RequiredShapes<T> = { readonly [K in Exclude<keyof T, OptionalKeys<T>>]: Shape<T[K]> };
type OptionalShapes<T> = { readonly [K in OptionalKeys<T>]: Shape<Exclude<T[K], undefined>> };
type Optional<T> = [OptionalKeys<T>] extends [never] ? [] : [optional: OptionalShapes<T>];
type AnyShapes = Readonly<Record<string, Shape<unknown>>>;

export const text: Shape<string> = { schema: { type: 'string' } };
export const flag: Shape<boolean> = { schema: { type: 'boolean' } };
/** A whole number that is not negative. */
export const count: Shape<number> = { schema: { type: 'integer', minimum: 0 } };
/** A number that is not negative. */
export const amount: Shape<number> = { schema: { type: 'number', minimum: 0 } };
export const nothing: Shape<null> = { schema: { type: 'null' } };
export const anything: Shape<unknown> = { schema: {} };

/** One of the texts of a type: all of them, or it does not compile. */
export function eachOf<T extends string>(texts: Readonly<Record<T, true>>): Shape<T> {
  return { schema: { enum: Object.keys(texts) } };
}

export function listOf<T>(item: Shape<T>): Shape<readonly T[]> {
  return { schema: { type: 'array', items: item.schema } };
}

export function anyOf<T extends readonly unknown[]>(...choices: { [K in keyof T]: Shape<T[K]> }): Shape<T[number]> {
  return { schema: { anyOf: choices.map(({ schema }) => schema) } };
}

/** An object that has a name, under which it stands once in a description. */
export function shape<T extends object>(
  title: string,
  required: RequiredShapes<T>,
  ...[optional]: Optional<T>
): Shape<T> {
  return { schema: { title, ...objectSchema(required, optional) } };
}

/** An object that stands only where it is written. */
export function fields<T extends object>(required: RequiredShapes<T>, ...[optional]: Optional<T>): Shape<T> {
  return { schema: objectSchema(required, optional) };
}

/** The schema of an object; fields besides these are neither allowed nor forbidden by it. */
export function objectSchema(required: AnyShapes, optional: AnyShapes = {}): JsonSchema {
  const all = Object.entries({ ...required, ...optional });
  const names = Object.keys(required);
  return {
    type: 'object',
    properties: Object.fromEntries(all.map(([name, { schema }]) => [name, schema])),
    ...(names.length === 0 ? {} : { required: names }),
  };
}
