import { dirname, resolve } from 'node:path';
import { UmbraError } from '../common/errors.js';
import type { Channel } from '../alerts/channel.js';
import { parseChannels } from '../alerts/parse-channels.js';
import { parseYaml, readConfigText, type FieldChecks } from '../system/yaml-file.js';
import { YamlPart } from '../system/yaml-tree.js';
import { isServerName } from '../protocol/server-address.js';
import { boolean, list, oneOf, string, validator, whole } from '../common/params.js';
import { LOG_LEVELS, type LogLevel } from '../system/line-log.js';

/** What `umbra serve --config FILE` reads; what the command line says comes before it. */
export interface ServerConfig {
  /** `ADDRESS:PORT` */
  readonly listen?: string;
  readonly names?: readonly string[];
  /** Absolute: a relative path is one from the directory of the file. */
  readonly mount?: string;
  readonly allowOther?: boolean;
  /** In so many days everything is read once; 0 for never. */
  readonly scrubDays?: number;
  readonly log?: LogLevel;
  /** With less room on the disk of the store there is a warning; in bytes. */
  readonly warnBelow?: number;
  /** With less room nothing is taken in; in bytes. */
  readonly stopBelow?: number;
  /** Who is told of alerts. */
  readonly notify?: readonly Channel[];
  /** Absolute, as `mount`; what opens an encrypted store, as the next two. */
  readonly keyFile?: string;
  readonly passphraseFile?: string;
  readonly keyCommand?: string;
}

const serverName = validator(string.schema, (value, field): string => {
  const text = string(value, field);
  if (isServerName(text)) return text;
  throw new UmbraError('BAD_ARGUMENT', `"${field}" must be a DNS name or an IP address, not ${JSON.stringify(text)}`);
});

const UNITS: Readonly<Record<string, number>> = {
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
};

const bytes = validator(string.schema, (value, field): number => {
  const [, number, unit = ''] = /^(\d{1,6}(?:\.\d{1,3})?) ?([MGT]i?B)$/.exec(string(value, field)) ?? [];
  const factor = UNITS[unit];
  if (number !== undefined && factor !== undefined) return Math.round(Number(number) * factor);
  throw new UmbraError('BAD_ARGUMENT', `"${field}" must be a size as 20GiB or 500MB, not ${JSON.stringify(value)}`);
});

/** Channels are looked at with their lines. */
const FIELDS: FieldChecks<Omit<ServerConfig, 'notify'> & { readonly notify?: true }> = {
  listen: string,
  names: list(serverName),
  mount: string,
  allowOther: boolean,
  scrubDays: whole(0, 3650),
  log: oneOf(...LOG_LEVELS),
  warnBelow: bytes,
  stopBelow: bytes,
  notify: () => true,
  keyFile: string,
  passphraseFile: string,
  keyCommand: string,
};

/** @throws {UmbraError} BAD_ARGUMENT with the line, and what is allowed there */
export function readConfigFile(file: string): ServerConfig {
  const config = parseConfig(readConfigText(file), file);
  const paths = (['mount', 'keyFile', 'passphraseFile'] as const).flatMap((name) => {
    const path = config[name];
    return path === undefined ? [] : [[name, resolve(dirname(file), path)] as const];
  });
  return { ...config, ...Object.fromEntries(paths) };
}

/** @param file for messages */
export function parseConfig(text: string, file: string): ServerConfig {
  const { notify, ...config } = parseYaml(text, file, FIELDS);
  const part = notify && YamlPart.of(text, file).entries().get('notify');
  return part === undefined ? config : { ...config, notify: parseChannels(part, file) };
}
