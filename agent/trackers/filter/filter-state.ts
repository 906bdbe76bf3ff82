import { createHash } from 'node:crypto';
import { join } from 'node:path';

/** Where the filter over a directory keeps its log: the same for who starts it and who asks it. @param state of the agent */
export function filterState(state: string, directory: string): string {
  return join(state, 'filters', createHash('sha256').update(directory).digest('hex').slice(0, 16));
}
