import { UmbraError } from '../common/errors.js';
import { chooseSource, readSource, sourceOfEnvironment, type KeySource } from '../keys/key-source.js';
import { makeSecret, slotKindOf, type Secret } from '../keys/secret.js';
import type { Args } from './args.js';
import type { Environment } from './environment.js';

/** What the options of a command name. @throws {UmbraError} BAD_ARGUMENT for more than one */
export function sourceOfArgs(args: Args): KeySource | undefined {
  const path = (name: string): string | undefined =>
    args.optionalText(name) === undefined ? undefined : args.path(name);
  return chooseSource(
    {
      keyFile: path('key-file'),
      passphraseFile: path('passphrase-file'),
      keyCommand: args.optionalText('key-command'),
    },
    'the command line',
  );
}

/** What the environment of a command names, with paths from where it is run. @throws {UmbraError} BAD_ARGUMENT */
export function sourceAround(args: Pick<Args, 'absolute'>, { variables }: Environment): KeySource | undefined {
  const source = sourceOfEnvironment(variables);
  if (source === undefined || 'keyCommand' in source) return source;
  return 'keyFile' in source
    ? { keyFile: args.absolute(source.keyFile) }
    : { passphraseFile: args.absolute(source.passphraseFile) };
}

/** How to ask for the passphrase of a store; undefined without a terminal. */
export function passphraseAsker({ askHidden }: Environment, store: string): (() => Promise<Secret>) | undefined {
  if (askHidden === undefined) return undefined;
  let isAgain = false;
  return async () => {
    const question = `${isAgain ? 'That one is wrong. ' : ''}Passphrase of ${store}: `;
    isAgain = true;
    return asSecret(await askHidden(question));
  };
}

/**
 * A secret that is to open a store from now on: read where the source says, or typed twice.
 * @throws {UmbraError} KEY_MISSING without a terminal, KEY_UNREADABLE, BAD_ARGUMENT if it is too short, or not the same twice
 */
export async function newSecret(source: KeySource | undefined, { askHidden }: Environment): Promise<Secret> {
  const secret = source === undefined ? await askTwice(askHidden) : await readSource(source);
  slotKindOf(secret);
  return secret;
}

async function askTwice(askHidden: Environment['askHidden']): Promise<Secret> {
  if (askHidden === undefined) {
    throw new UmbraError('KEY_MISSING', 'there is no terminal to ask for a passphrase', {
      hint: 'Give --key-file, --passphrase-file or --key-command.',
    });
  }
  const typed = await askHidden('New passphrase: ');
  if (typed === (await askHidden('Once more: '))) return asSecret(typed);
  throw new UmbraError('BAD_ARGUMENT', 'these are two different passphrases', { hint: 'Run the command again.' });
}

function asSecret(typed: string): Secret {
  return makeSecret('passphrase', Buffer.from(typed), 'the passphrase');
}
