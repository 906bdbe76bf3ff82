import { isAbsolute, normalize } from 'node:path';
import { UmbraError } from './errors.js';
import { checkMachineName, checkVolumeName, isShadowCopyName } from './names.js';
import { checkShareName, isSharePath } from './share-names.js';

/**
 * Small validators for what comes over the socket. Each takes a value of any kind and the path
 * of the field it came from, and returns the value with its type or throws an error that names the field.
 */
export type Validator<T> = (value: unknown, field: string) => T;

type Fields = Readonly<Record<string, Validator<unknown>>>;
type Values<F extends Fields> = { readonly [K in keyof F]: ReturnType<F[K]> };

/** Longer than any path, name or list that makes sense. */
const MAX_STRING = 4096;
const MAX_ITEMS = 4096;

function wrong(field: string, expected: string): UmbraError {
  return new UmbraError('BAD_ARGUMENT', `${field === '' ? 'the request' : `"${field}"`} must be ${expected}`);
}

export const string: Validator<string> = (value, field) => {
  if (typeof value !== 'string' || value === '' || value.length > MAX_STRING) {
    throw wrong(field, `a string of 1 to ${MAX_STRING} characters`);
  }
  if (value.includes('\0')) throw wrong(field, 'a string without NUL characters');
  return value;
};

export const boolean: Validator<boolean> = (value, field) => {
  if (typeof value !== 'boolean') throw wrong(field, 'true or false');
  return value;
};

/** An absolute path, normalized. */
export const path: Validator<string> = (value, field) => {
  const text = string(value, field);
  if (!isAbsolute(text)) throw wrong(field, 'an absolute path');
  const normal = normalize(text);
  return normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal;
};

export const machine: Validator<string> = (value, field) => checkMachineName(string(value, field));

export const volume: Validator<string> = (value, field) => checkVolumeName(string(value, field));

export const share: Validator<string> = (value, field) => checkShareName(string(value, field));

/** A path below `files/`. */
export const sharePath: Validator<string> = (value, field) => {
  const text = string(value, field);
  if (!isSharePath(text)) throw wrong(field, 'a path below "files": names with single slashes between them');
  return text;
};

/** A shadow copy's name or `latest`. */
export const version: Validator<string> = (value, field) => {
  const text = string(value, field);
  if (text !== 'latest' && !isShadowCopyName(text)) throw wrong(field, 'the name of a shadow copy or "latest"');
  return text;
};

export function oneOf<T extends string>(...choices: readonly T[]): Validator<T> {
  return (value, field) => {
    const found = choices.find((choice) => choice === value);
    if (found === undefined) throw wrong(field, `one of ${choices.join(', ')}`);
    return found;
  };
}

export function list<T>(item: Validator<T>, least = 0): Validator<readonly T[]> {
  return (value, field) => {
    if (!Array.isArray(value) || value.length < least || value.length > MAX_ITEMS) {
      throw wrong(field, `a list of ${least} to ${MAX_ITEMS} items`);
    }
    return value.map((entry: unknown, index) => item(entry, `${field}[${index}]`));
  };
}

/** An object with exactly these fields; the `optional` ones may be absent, and are absent in the result then. */
export function object<R extends Fields>(required: R): Validator<Values<R>>;
export function object<R extends Fields, O extends Fields>(
  required: R,
  optional: O,
): Validator<Values<R> & Partial<Values<O>>>;
export function object(required: Fields, optional: Fields = {}): Validator<unknown> {
  const known: Fields = { ...optional, ...required };
  return (value, field) => {
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
  };
}
