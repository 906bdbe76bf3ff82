import { dirname, resolve } from 'node:path';
import { UmbraError } from '../common/errors.js';
import { parseYaml, readYamlFile, type FieldChecks } from '../system/yaml-file.js';
import { isServerName } from '../protocol/server-address.js';
import { boolean, list, oneOf, string, validator } from '../common/params.js';
import { LOG_LEVELS, type LogLevel } from '../system/line-log.js';

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

const serverName = validator(string.schema, (value, field): string => {
  const text = string(value, field);
  if (isServerName(text)) return text;
  throw new UmbraError('BAD_ARGUMENT', `"${field}" must be a DNS name or an IP address, not ${JSON.stringify(text)}`);
});

const FIELDS: FieldChecks<ServerConfig> = {
  listen: string,
  names: list(serverName),
  mount: string,
  allowOther: boolean,
  log: oneOf(...LOG_LEVELS),
};

/** @throws {UmbraError} BAD_ARGUMENT with the line, and what is allowed there */
export function readConfigFile(file: string): ServerConfig {
  const config = readYamlFile(file, FIELDS);
  return config.mount === undefined ? config : { ...config, mount: resolve(dirname(file), config.mount) };
}

/** @param file for messages */
export function parseConfig(text: string, file: string): ServerConfig {
  return parseYaml(text, file, FIELDS);
}
