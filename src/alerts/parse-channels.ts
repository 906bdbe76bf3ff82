import { isAbsolute, dirname, resolve } from 'node:path';
import { durationMs } from '../common/durations.js';
import { isUmbraError } from '../common/errors.js';
import { suggest } from '../common/suggest.js';
import type { YamlPart } from '../system/yaml-tree.js';
import { ALERT_KINDS, SEVERITIES } from './alert.js';
import { CHANNEL_TYPES, type Channel, type ChannelType, type Delivered, type Sending } from './channel.js';
import { runCommand } from './channels/command.js';
import { sendMail, type SmtpOptions } from './channels/smtp.js';
import { sendWebhook, webhookUrl, type WebhookOptions } from './channels/webhook.js';
import type { Message } from './message.js';
import { readSecret, type SecretSource } from './secret.js';

const MOST_CHANNELS = 32;
const MOST_RECIPIENTS = 100;
const USUAL_TIMEOUT_MS = 30_000;
const LONGEST_TIMEOUT_MS = 10 * 60_000;
const CHANNEL_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$/;
/** What mail is sent to, and nothing that could be more than one of them. */
const ADDRESS = /^[^\s<>()",;:\\@\p{Cc}]{1,64}@[A-Za-z0-9[][A-Za-z0-9.:\]-]{0,252}$/u;
const HOST = /^[A-Za-z0-9:][A-Za-z0-9.:-]{0,252}$/;
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;

type Fields = ReadonlyMap<string, YamlPart>;
type Target = Pick<Channel, 'type' | 'target' | 'send'>;

/**
 * Who is told of alerts: a map of channels by their names.
 * @param file the document's, for relative paths
 * @throws {UmbraError} BAD_ARGUMENT with the line, and what to do; also where a secret can't be read
 */
export function parseChannels(part: YamlPart, file: string): readonly Channel[] {
  const entries = [...part.entries()];
  if (entries.length > MOST_CHANNELS) throw part.wrong(`has more than ${MOST_CHANNELS} channels`);
  return entries.map(([name, channel]) => parseChannel(name, channel, (path) => resolve(dirname(file), path)));
}

function parseChannel(name: string, part: YamlPart, path: (path: string) => string): Channel {
  if (!CHANNEL_NAME.test(name))
    throw part.wrong('is no name', 'Use letters, digits, "_" and "-", beginning with a letter or digit, at most 40.');
  const fields: Fields = part.fields([...CHANNEL_TYPES, 'kinds', 'severity', 'timeout'] as const);
  const types = CHANNEL_TYPES.filter((type) => fields.has(type));
  const [type] = types;
  if (type === undefined || types.length > 1)
    throw part.wrong('must have one of webhook, smtp and command', 'Several ways to be told are several channels.');
  const kinds = fields
    .get('kinds')
    ?.items()
    .map((item) => oneOf(item, ALERT_KINDS));
  const severity = fields.get('severity');
  const timeout = fields.get('timeout');
  return {
    name,
    ...(kinds === undefined ? {} : { kinds }),
    severity: severity === undefined ? 'warning' : oneOf(severity, SEVERITIES),
    timeoutMs: timeout === undefined ? USUAL_TIMEOUT_MS : duration(timeout),
    ...PARSERS[type](required(fields, type, part), path),
  };
}

const PARSERS: Readonly<Record<ChannelType, (part: YamlPart, path: (path: string) => string) => Target>> = {
  webhook: parseWebhook,
  smtp: parseSmtp,
  command: parseCommand,
};

function parseWebhook(part: YamlPart, path: (path: string) => string): Target {
  const known = ['url', 'urlFile', 'urlEnv', 'secretFile', 'secretEnv', 'ca'] as const;
  const fields: Fields = part.fields(known);
  const written = fields.get('url');
  const url = written === undefined ? secret('url', fields, path) : { text: text(written) };
  if (url === undefined) throw part.wrong('has no url', 'Write url, or urlFile or urlEnv where it is a secret itself.');
  const where = written ?? fields.get('urlFile') ?? fields.get('urlEnv') ?? part;
  const { host } = checked(where, () => webhookUrl(url));
  const key = secret('secret', fields, path);
  const options: WebhookOptions = { url, ...(key && { secret: key }), ...caOf(fields, path) };
  return {
    type: 'webhook',
    target: host,
    send: (message: Message, sending: Sending): Promise<Delivered> => sendWebhook(options, message, sending),
  };
}

function parseSmtp(part: YamlPart, path: (path: string) => string): Target {
  const known = ['host', 'port', 'security', 'user', 'passwordFile', 'passwordEnv', 'from', 'to', 'ca'] as const;
  const fields: Fields = part.fields(known);
  const security = fields.get('security');
  const way = security === undefined ? 'starttls' : oneOf(security, ['tls', 'starttls', 'none']);
  const to = required(fields, 'to', part).items().map(address);
  if (to.length === 0 || to.length > MOST_RECIPIENTS)
    throw required(fields, 'to', part).wrong(`must have 1 to ${MOST_RECIPIENTS} addresses`);
  const options: SmtpOptions = {
    host: matching(required(fields, 'host', part), HOST, 'a DNS name or an IP address'),
    port: port(fields.get('port'), way),
    security: way,
    ...loginOf(fields, part, way, path),
    from: address(required(fields, 'from', part)),
    to,
    ...caOf(fields, path),
  };
  return {
    type: 'smtp',
    target: `${to.join(', ')} by ${options.host}:${options.port}`,
    send: (message: Message, sending: Sending): Promise<Delivered> => sendMail(options, message, sending),
  };
}

function loginOf(
  fields: Fields,
  part: YamlPart,
  security: SmtpOptions['security'],
  path: (path: string) => string,
): Pick<SmtpOptions, 'login'> {
  const user = fields.get('user');
  const password = secret('password', fields, path);
  if (user === undefined && password === undefined) return {};
  if (user === undefined) throw part.wrong('has a password and no user');
  if (password === undefined) throw user.wrong('has no password', 'Write passwordFile or passwordEnv beside it.');
  if (security === 'none')
    throw user.wrong('would be sent with its password in the clear', 'Write security: starttls.');
  return { login: { user: text(user), password } };
}

function parseCommand(part: YamlPart): Target {
  const [first, ...rest] = part.items();
  if (first === undefined) throw part.wrong('must be a program and its arguments');
  const program = text(first);
  if (!isAbsolute(program)) throw first.wrong('must begin with the absolute path of a program');
  const run = [program, ...rest.map(text)] as const;
  return {
    type: 'command',
    target: program,
    send: (message: Message, sending: Sending): Promise<Delivered> => runCommand({ run }, message, sending),
  };
}

/** `NAMEFile` or `NAMEEnv`: where a secret is. It must be there now; it is read again each time. */
function secret(name: string, fields: Fields, path: (path: string) => string): SecretSource | undefined {
  const file = fields.get(`${name}File`);
  const variable = fields.get(`${name}Env`);
  const part = file ?? variable;
  if (part === undefined) return undefined;
  if (file !== undefined && variable !== undefined) throw part.wrong('is one way, and there is another, to the secret');
  const source =
    file === undefined
      ? { variable: matching(part, VARIABLE, 'the name of an environment variable') }
      : { file: path(text(file)) };
  checked(part, () => readSecret(source));
  return source;
}

function caOf(fields: Fields, path: (path: string) => string): { readonly ca?: string } {
  const ca = fields.get('ca');
  return ca === undefined ? {} : { ca: path(text(ca)) };
}

function required(fields: Fields, name: string, part: YamlPart): YamlPart {
  const field = fields.get(name);
  if (field === undefined) throw part.wrong(`has no ${name}`);
  return field;
}

/** What is wrong with it is said with its line. */
function checked<T>(part: YamlPart, check: () => T): T {
  try {
    return check();
  } catch (error) {
    throw isUmbraError(error) ? part.wrong(`is wrong: ${error.message}`) : error;
  }
}

function text(part: YamlPart): string {
  const value = part.scalar();
  if (typeof value === 'string' && value !== '' && !value.includes('\0')) return value;
  if (typeof value === 'number') return String(value);
  throw part.wrong('must be a text');
}

function matching(part: YamlPart, pattern: RegExp, what: string): string {
  const value = text(part);
  if (pattern.test(value)) return value;
  throw part.wrong(`must be ${what}, not ${JSON.stringify(value)}`);
}

function address(part: YamlPart): string {
  return matching(part, ADDRESS, 'an address of mail, as ops@example.org');
}

function oneOf<T extends string>(part: YamlPart, choices: readonly T[]): T {
  const value = part.scalar();
  const found = choices.find((choice) => choice === value);
  if (found !== undefined) return found;
  const meant = typeof value === 'string' ? suggest(value, choices) : undefined;
  throw part.wrong(`must be one of ${choices.join(', ')}`, meant && `Did you mean "${meant}"?`);
}

function port(part: YamlPart | undefined, security: SmtpOptions['security']): number {
  if (part === undefined) return security === 'tls' ? 465 : security === 'starttls' ? 587 : 25;
  const value = part.scalar();
  if (typeof value === 'number' && Number.isInteger(value) && value > 0 && value < 65_536) return value;
  throw part.wrong('must be a port');
}

function duration(part: YamlPart): number {
  const value = part.scalar();
  const ms = typeof value === 'string' ? durationMs(value) : undefined;
  if (ms !== undefined && ms <= LONGEST_TIMEOUT_MS) return ms;
  throw part.wrong('must be a duration of at most 10min', 'Write 30s or 2min.');
}
