import { UmbraError } from './errors.js';

/** Whoever wanted to make a store finds one: the client sees its server, or the server that was started its files. */
export function storeExists(directory: string): UmbraError {
  return new UmbraError('STORE_EXISTS', `there is a store at ${directory} already`, {
    hint: 'Use it as it is ("umbra backup", "umbra stats"), or name another directory with --store DIR.',
  });
}
