import { printable } from '../common/printable.js';
import type { UnreadPath } from '../protocol/files-api.js';
import { formatCount } from './format.js';

/** More than that are for `--json`. */
const MAX_SHOWN = 20;

/** What could not be looked at, one line each; empty if there is none. */
export function describeUnread(result: {
  readonly unread: readonly UnreadPath[];
  readonly unreadCount: number;
}): string {
  const lines = result.unread.slice(0, MAX_SHOWN).map(({ shadowCopy, path, reason, isDamaged }) => {
    const what = isDamaged ? 'cannot be read' : 'is not read';
    return `umbra: ${printable(path)} in ${shadowCopy} ${what}: ${reason}\n`;
  });
  const more = result.unreadCount - lines.length;
  return lines.join('') + (more > 0 ? `umbra: ... and ${formatCount(more)} more; --json lists up to 1,000\n` : '');
}
