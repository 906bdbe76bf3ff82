import { isUmbraError, messageOf } from '../common/errors.js';
import { printable } from '../common/printable.js';
import type { UnreadPath } from '../protocol/files-api.js';

/** True for an error of one file, or of one file system, that leaves the others as they are. */
export function isDamage(error: unknown): boolean {
  return isUmbraError(error, 'FILESYSTEM_DAMAGED', 'FILESYSTEM_UNREADABLE', 'STORE_DAMAGED');
}

/** So many are told one by one. */
const MAX_LISTED = 1_000;

/** What could not be looked at: the first of it, and how much it is. */
export class UnreadPaths {
  readonly list: UnreadPath[] = [];
  count = 0;

  /** @throws `error` itself if it is not of one file alone */
  add(shadowCopy: string, path: string, error: unknown): void {
    if (!isDamage(error)) throw error;
    this.addReason(shadowCopy, path, messageOf(error));
  }

  addReason(shadowCopy: string, path: string, reason: string): void {
    this.count++;
    if (this.list.length < MAX_LISTED) this.list.push({ shadowCopy, path, reason: printable(reason) });
  }
}
