import type { Options } from 'yargs';
import { textOption } from './command.js';

/** The options that say where a key comes from. */
export const KEY_OPTIONS: Readonly<Record<string, Options>> = {
  'key-file': textOption('A file with a key: random bytes, 32 at least, that only you can read'),
  'passphrase-file': textOption('A file with a passphrase, that only you can read'),
  'key-command': textOption('A command that prints a key or a passphrase'),
};
