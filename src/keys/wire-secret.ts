import { UmbraError } from '../common/errors.js';
import { oneOf, string, validator, object, type Validator } from '../common/params.js';
import { MAX_SECRET_BYTES, type Secret } from './secret.js';

/** A secret as it crosses a pipe or the server's socket: never in arguments or the environment, which others can see. */
export interface WireSecret {
  readonly source: Secret['source'];
  /** Base64. */
  readonly secret: string;
}

const BASE64 = '^[A-Za-z0-9+/]+={0,2}$';
const MOST_CHARACTERS = 4 * Math.ceil(MAX_SECRET_BYTES / 3);

const base64 = validator<string>(
  { type: 'string', minLength: 1, maxLength: MOST_CHARACTERS, pattern: BASE64, examples: ['d29yZHMgYW5kIHdvcmRz'] },
  (value, field) => {
    if (typeof value === 'string' && value.length <= MOST_CHARACTERS && new RegExp(BASE64).test(value)) return value;
    throw new UmbraError('BAD_ARGUMENT', `"${field}" must be a secret in base64`);
  },
);

/** The fields of a {@link WireSecret}. */
export const SECRET_FIELDS = {
  source: oneOf('key-file', 'passphrase', 'command'),
  secret: base64,
} as const;

export const wireSecret: Validator<WireSecret> = object(SECRET_FIELDS);

export const keyLabel = validator<string>({ ...string.schema, maxLength: 128 }, (value, field) => {
  const text = string(value, field);
  if (text.length <= 128) return text;
  throw new UmbraError('BAD_ARGUMENT', `"${field}" must have at most 128 characters`);
});

export function toWireSecret({ source, bytes }: Secret): WireSecret {
  return { source, secret: Buffer.from(bytes).toString('base64') };
}

export function fromWireSecret({ source, secret }: WireSecret): Secret {
  return { source, bytes: Buffer.from(secret, 'base64') };
}
