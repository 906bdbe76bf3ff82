import { join } from 'node:path';

/** The control socket in the state directory of a filter. */
export function controlSocket(state: string): string {
  return join(state, 'filter.sock');
}
