import { text } from 'node:stream/consumers';

import { UmbraError } from '../common/errors.js';
import { readSource, sourceOfEnvironment } from '../keys/key-source.js';
import type { Secret } from '../keys/secret.js';
import { fromWireSecret, wireSecret } from '../keys/wire-secret.js';
import type { AskSecret } from '../store/unlock.js';

/**
 * What opens the store of a server that a command started: what the command wrote down the pipe, else what the environment names.
 * @throws {UmbraError} BAD_ARGUMENT
 */
export async function askInBackground(hasSecret: boolean): Promise<AskSecret> {
  if (hasSecret) {
    const secret = fromWireSecret(wireSecret(JSON.parse(await text(process.stdin)), ''));
    return () => Promise.resolve(secret);
  }
  return async () => {
    const source = sourceOfEnvironment(process.env);
    return source === undefined ? undefined : readSource(source);
  };
}

/** The secret of a store that is to be made. @throws {UmbraError} KEY_MISSING, KEY_UNREADABLE */
export async function needSecret(ask: AskSecret | undefined): Promise<Secret> {
  const secret = await ask?.();
  if (secret !== undefined) return secret;
  throw new UmbraError('KEY_MISSING', 'a store cannot be encrypted without a key', {
    hint: 'Give --key-file, --passphrase-file or --key-command, or run it on a terminal to be asked for a passphrase.',
  });
}
