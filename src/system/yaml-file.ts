import { readFileSync } from 'node:fs';
import { isMap, isNode, isScalar } from 'yaml';
import { isUmbraError, messageOf, UmbraError } from '../common/errors.js';
import { readYaml, unknownField, wrongYaml } from './yaml-tree.js';

/** Checks the value of a field, and gives it its type. @throws {UmbraError} naming the field */
export type FieldCheck<T> = (value: unknown, field: string) => T;

export type FieldChecks<T> = { readonly [K in keyof T]-?: FieldCheck<NonNullable<T[K]>> };

/** @throws {UmbraError} BAD_ARGUMENT with the line, and what is allowed there */
export function readYamlFile<T>(file: string, fields: FieldChecks<T>): Partial<T> {
  return parseYaml(readConfigText(file), file, fields);
}

/**
 * The fields of a configuration: a map, of which each name is known and each value right.
 * @param file for messages
 * @throws {UmbraError} BAD_ARGUMENT with the line, and what is allowed there
 */
export function parseYaml<T>(text: string, file: string, fields: FieldChecks<T>): Partial<T> {
  const { document, lines } = readYaml(text, file);
  const { contents } = document;
  if (contents === null) return {};
  if (!isMap(contents)) throw wrongYaml(file, 'it must have lines of the form "name: value"');
  const read: Partial<T> = {};
  for (const { key, value } of contents.items) {
    const line = isScalar(key) && key.range ? lines.linePos(key.range[0]).line : 1;
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
    throw isUmbraError(error) ? wrongYaml(where, error.message) : error;
  }
}

/** @throws {UmbraError} BAD_ARGUMENT */
export function readConfigText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new UmbraError('BAD_ARGUMENT', `the configuration ${file} cannot be read: ${messageOf(cause)}`, { cause });
  }
}
