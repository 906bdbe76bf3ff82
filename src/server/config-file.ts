import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml';
import { isUmbraError, messageOf, UmbraError } from '../common/errors.js';
import { suggest } from '../common/suggest.js';
import { isServerName } from '../protocol/server-address.js';
import { boolean, list, oneOf, string, type Validator } from './params.js';
import { LOG_LEVELS, type LogLevel } from './server-log.js';

/** What `umbra serve --config FILE` reads; what the command line says comes before it. */
export interface ServerConfig {
  /** `ADDRESS:PORT` */
  readonly listen?: string;
  readonly names?: readonly string[];
  /** Absolute: a relative path is one from the directory of the file. */
  readonly mount?: string;
  readonly allowOther?: boolean;
  readonly log?: LogLevel;
}

/** Longer than any configuration that somebody wrote. */
const MAX_CHARACTERS = 64 * 1024;

const serverName: Validator<string> = (value, field) => {
  const text = string(value, field);
  if (isServerName(text)) return text;
  throw new UmbraError('BAD_ARGUMENT', `"${field}" must be a DNS name or an IP address, not ${JSON.stringify(text)}`);
};

const FIELDS: { readonly [K in keyof ServerConfig]-?: Validator<NonNullable<ServerConfig[K]>> } = {
  listen: string,
  names: list(serverName),
  mount: string,
  allowOther: boolean,
  log: oneOf(...LOG_LEVELS),
};

/** @throws {UmbraError} BAD_ARGUMENT with the line, and what is allowed there */
export function readConfigFile(file: string): ServerConfig {
  const config = parseConfig(readText(file), file);
  return config.mount === undefined ? config : { ...config, mount: resolve(dirname(file), config.mount) };
}

/** @param file for messages */
export function parseConfig(text: string, file: string): ServerConfig {
  if (text.length > MAX_CHARACTERS) throw wrong(file, `it is longer than ${MAX_CHARACTERS} characters`);
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) throw wrong(`${file}:${lineCounter.linePos(problem.pos[0]).line}`, problem.message);
  const { contents } = document;
  if (contents === null) return {};
  if (!isMap(contents)) throw wrong(file, 'it must have lines of the form "name: value"');
  const read: Record<string, unknown> = {};
  for (const { key, value } of contents.items) {
    const line = isScalar(key) ? lineCounter.linePos(key.range[0]).line : 1;
    const name = isScalar(key) ? String(key.value) : '';
    const plain: unknown = isNode(value) ? value.toJS(document) : value;
    read[name] = readValue(name, plain, `${file}:${line}`);
  }
  return read;
}

function readValue(key: string, value: unknown, where: string): unknown {
  const known = Object.keys(FIELDS);
  if (!isField(key)) {
    const meant = suggest(key, known);
    const allowed = `Allowed are ${known.join(', ')}.`;
    throw wrong(
      where,
      `${JSON.stringify(key)} is not known`,
      meant === undefined ? allowed : `Did you mean "${meant}"? ${allowed}`,
    );
  }
  try {
    return FIELDS[key](value, key);
  } catch (error) {
    if (isUmbraError(error)) throw wrong(where, error.message);
    throw error;
  }
}

function isField(key: string): key is keyof ServerConfig {
  return Object.hasOwn(FIELDS, key);
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
