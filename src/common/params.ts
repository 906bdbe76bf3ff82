import { isAbsolute, normalize } from 'node:path';
import { UmbraError } from './errors.js';
import type { JsonSchema, Shape } from './json-schema.js';
import {
  checkMachineName,
  checkVolumeName,
  isShadowCopyName,
  LONG_NAME,
  SHADOW_COPY_NAME,
  SHORT_NAME,
} from './names.js';
import { checkShareName, isSharePath, SHARE_NAME_SCHEMA, SHARE_PATH } from './share-names.js';
import { objectSchema } from './shapes.js';

/** Takes a value of any kind and the path of the field it came from, and returns it with its type or throws an error that names the field. */
export type Check<T> = (value: unknown, field: string) => T;

/**
 * Small validators for what comes over the socket. Each carries the JSON schema of what it takes, so that what is described and
 * what is checked are one.
 */
export type Validator<T> = Check<T> & Shape<T>;

type Fields = Readonly<Record<string, Validator<unknown>>>;
type Values<F extends Fields> = { readonly [K in keyof F]: ReturnType<F[K]> };

/** Longer than any path, name or list that makes sense. */
const MAX_STRING = 4096;
const MAX_ITEMS = 4096;

/** What a validator of `string` and something more adds to the schema. */
const STRING = { type: 'string', minLength: 1, maxLength: MAX_STRING } as const;

function wrong(field: string, expected: string): UmbraError {
  return new UmbraError('BAD_ARGUMENT', `${field === '' ? 'the request' : `"${field}"`} must be ${expected}`);
}

/** A check and the schema of what it takes. */
export function validator<T>(schema: JsonSchema, check: Check<T>): Validator<T> {
  return Object.assign((value: unknown, field: string) => check(value, field), { schema });
}

export const string = validator({ ...STRING, pattern: '^[^\\u0000]*$' }, (value, field) => {
  if (typeof value !== 'string' || value === '' || value.length > MAX_STRING) {
    throw wrong(field, `a string of 1 to ${MAX_STRING} characters`);
  }
  if (value.includes('\0')) throw wrong(field, 'a string without NUL characters');
  return value;
});

export const boolean = validator({ type: 'boolean' }, (value, field) => {
  if (typeof value !== 'boolean') throw wrong(field, 'true or false');
  return value;
});

/** An absolute path, normalized. */
export const path = validator({ ...STRING, pattern: '^/[^\\u0000]*$', examples: ['/srv/x'] }, (value, field) => {
  const text = string(value, field);
  if (!isAbsolute(text)) throw wrong(field, 'an absolute path');
  const normal = normalize(text);
  return normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal;
});

/**
 * A string that a check of names takes.
 * @param pattern what the check goes by
 */
export function named(pattern: RegExp, example: string, check: (text: string) => string): Validator<string> {
  return validator({ type: 'string', pattern: pattern.source, examples: [example] }, (value, field) =>
    check(string(value, field)),
  );
}

export const machine = named(LONG_NAME, 'web1', checkMachineName);

export const volume = named(SHORT_NAME, 'vda', checkVolumeName);

export const share = validator(SHARE_NAME_SCHEMA, (value, field) => checkShareName(string(value, field)));

/** A path below `files/`. */
export const sharePath = validator(
  { ...STRING, pattern: SHARE_PATH, examples: ['vda1/srv/data'] },
  (value, field): string => {
    const text = string(value, field);
    if (!isSharePath(text)) throw wrong(field, 'a path below "files": names with single slashes between them');
    return text;
  },
);

const SHADOW_COPY_EXAMPLE = '2026-11-22T10-15-00Z';

/** A shadow copy's name. */
export const shadowCopy = validator(
  { type: 'string', pattern: SHADOW_COPY_NAME.source, examples: [SHADOW_COPY_EXAMPLE] },
  (value, field): string => {
    if (typeof value === 'string' && isShadowCopyName(value)) return value;
    throw wrong(field, 'the name of a shadow copy');
  },
);

/** A shadow copy's name, `latest` or `replica`. */
export const version = validator(
  { anyOf: [{ const: 'latest' }, { const: 'replica' }, shadowCopy.schema], examples: ['latest', SHADOW_COPY_EXAMPLE] },
  (value, field): string => {
    const text = string(value, field);
    if (text === 'latest' || text === 'replica' || isShadowCopyName(text)) return text;
    throw wrong(field, 'the name of a shadow copy, "latest" or "replica"');
  },
);

/** @param expected for the message, if not that it is a whole number and which */
export function whole(least: number, most: number, expected?: string): Validator<number> {
  return validator({ type: 'integer', minimum: least, maximum: most }, (value, field) => {
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
    throw wrong(field, expected ?? `a whole number from ${least} to ${most}`);
  });
}

export function oneOf<T extends string>(...choices: readonly T[]): Validator<T> {
  return validator({ enum: choices }, (value, field) => {
    const found = choices.find((choice) => choice === value);
    if (found === undefined) throw wrong(field, `one of ${choices.join(', ')}`);
    return found;
  });
}

export function list<T>(item: Validator<T>, least = 0, most = MAX_ITEMS): Validator<readonly T[]> {
  return validator({ type: 'array', items: item.schema, minItems: least, maxItems: most }, (value, field) => {
    if (!Array.isArray(value) || value.length < least || value.length > most) {
      throw wrong(field, `a list of ${least} to ${most} items`);
    }
    return value.map((entry: unknown, index) => item(entry, `${field}[${index}]`));
  });
}

/** An object with exactly these fields; the `optional` ones may be absent, and are absent in the result then. */
export function object<R extends Fields>(required: R): Validator<Values<R>>;
export function object<R extends Fields, O extends Fields>(
  required: R,
  optional: O,
): Validator<Values<R> & Partial<Values<O>>>;
export function object(required: Fields, optional: Fields = {}): Validator<unknown> {
  const known: Fields = { ...optional, ...required };
  return validator({ ...objectSchema(required, optional), additionalProperties: false }, (value, field) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(field, 'an object');
    const given = new Map<string, unknown>(Object.entries(value));
    const name = (key: string): string => (field === '' ? key : `${field}.${key}`);
    for (const key of given.keys()) {
      if (!Object.hasOwn(known, key)) throw new UmbraError('BAD_ARGUMENT', `"${name(key)}" is not a known field`);
    }
    const result: Record<string, unknown> = {};
    for (const [key, validate] of Object.entries(known)) {
      if (given.has(key)) result[key] = validate(given.get(key), name(key));
      else if (Object.hasOwn(required, key)) throw new UmbraError('BAD_ARGUMENT', `"${name(key)}" is missing`);
    }
    return result;
  });
}
