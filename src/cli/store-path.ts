import { join, resolve } from 'node:path';
import type { Environment } from './environment.js';

export interface StorePath {
  /** Absolute. */
  readonly path: string;
  /** True if neither the command line nor the environment named it. */
  readonly isDefault: boolean;
}

/** The store a command is about: `--store`, else $UMBRA_STORE, else the default of the user. */
export function findStore(
  option: string | undefined,
  { variables, directory, home, isRoot }: Pick<Environment, 'variables' | 'directory' | 'home' | 'isRoot'>,
): StorePath {
  const named = option ?? nonEmpty(variables['UMBRA_STORE']);
  if (named !== undefined) return { path: resolve(directory, named), isDefault: false };
  if (isRoot) return { path: '/var/lib/umbra', isDefault: true };
  const data = nonEmpty(variables['XDG_DATA_HOME']) ?? join(home, '.local', 'share');
  return { path: resolve(directory, data, 'umbra'), isDefault: true };
}

/** A variable that is set to nothing counts as not set. */
export function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}
