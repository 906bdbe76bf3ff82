import { readFileSync } from 'node:fs';
import { isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml';
import { isUmbraError, messageOf, UmbraError } from '../common/errors.js';
import { suggest } from '../common/suggest.js';

/** Checks the value of a field, and gives it its type. @throws {UmbraError} naming the field */
export type FieldCheck<T> = (value: unknown, field: string) => T;

export type FieldChecks<T> = { readonly [K in keyof T]-?: FieldCheck<NonNullable<T[K]>> };

/** Longer than any configuration that somebody wrote. */
const MAX_CHARACTERS = 64 * 1024;

/** @throws {UmbraError} BAD_ARGUMENT with the line, and what is allowed there */
export function readYamlFile<T>(file: string, fields: FieldChecks<T>): Partial<T> {
  return parseYaml(readText(file), file, fields);
}

/**
 * The fields of a configuration: a map, of which each name is known and each value right.
 * @param file for messages
 * @throws {UmbraError} BAD_ARGUMENT with the line, and what is allowed there
 */
export function parseYaml<T>(text: string, file: string, fields: FieldChecks<T>): Partial<T> {
  if (text.length > MAX_CHARACTERS) throw wrong(file, `it is longer than ${MAX_CHARACTERS} characters`);
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) throw wrong(`${file}:${lineCounter.linePos(problem.pos[0]).line}`, problem.message);
  const { contents } = document;
  if (contents === null) return {};
  if (!isMap(contents)) throw wrong(file, 'it must have lines of the form "name: value"');
  const read: Partial<T> = {};
  for (const { key, value } of contents.items) {
    const line = isScalar(key) ? lineCounter.linePos(key.range[0]).line : 1;
    const name = isScalar(key) ? String(key.value) : '';
    const plain: unknown = isNode(value) ? value.toJS(document) : value;
    if (!isField(name, fields)) throw unknownField(name, Object.keys(fields), `${file}:${line}`);
    read[name] = check(fields[name], name, plain, `${file}:${line}`);
  }
  return read;
}

function isField<T>(name: string, fields: FieldChecks<T>): name is keyof T & string {
  return Object.hasOwn(fields, name);
}

function check<T>(checkField: FieldCheck<T>, name: string, value: unknown, where: string): T {
  try {
    return checkField(value, name);
  } catch (error) {
    throw isUmbraError(error) ? wrong(where, error.message) : error;
  }
}

function unknownField(name: string, known: readonly string[], where: string): UmbraError {
  const meant = suggest(name, known);
  const allowed = `Allowed are ${known.join(', ')}.`;
  const hint = meant === undefined ? allowed : `Did you mean "${meant}"? ${allowed}`;
  return wrong(where, `${JSON.stringify(name)} is not known`, hint);
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new UmbraError('BAD_ARGUMENT', `the configuration ${file} cannot be read: ${messageOf(cause)}`, { cause });
  }
}

function wrong(where: string, what: string, hint?: string): UmbraError {
  return new UmbraError('BAD_ARGUMENT', `${where}: ${what}`, hint === undefined ? {} : { hint });
}
