import { readFileSync } from 'node:fs';
import { messageOf, UmbraError } from '../common/errors.js';

/** Longer than any password, key or address. */
const LONGEST = 4096;

/** Where a secret is: it is read each time it is needed, and never shown. */
export type SecretSource = { readonly file: string } | { readonly variable: string };

/**
 * A secret, without the end of its line.
 * @throws {UmbraError} NOTIFY_FAILED naming where it should be
 */
export function readSecret(source: SecretSource): string {
  const { what, text } = 'file' in source ? ofFile(source.file) : ofVariable(source.variable);
  const secret = text.replace(/\r?\n$/, '');
  if (secret === '') throw new UmbraError('NOTIFY_FAILED', `${what} is empty`);
  if (secret.length <= LONGEST && !/[\0\r\n]/.test(secret)) return secret;
  throw new UmbraError('NOTIFY_FAILED', `${what} must be one line of at most ${LONGEST} characters`);
}

function ofFile(file: string): { readonly what: string; readonly text: string } {
  try {
    return { what: `the secret in ${file}`, text: readFileSync(file, 'utf8') };
  } catch (cause) {
    throw new UmbraError('NOTIFY_FAILED', `the secret cannot be read: ${messageOf(cause)}`, { cause });
  }
}

function ofVariable(name: string): { readonly what: string; readonly text: string } {
  return { what: `the secret in $${name}`, text: process.env[name] ?? '' };
}
