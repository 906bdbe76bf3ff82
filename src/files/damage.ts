import { isUmbraError, messageOf } from '../common/errors.js';
import { causeOf } from '../../mount/disk/unreadable-cause.js';
import { printable } from '../common/printable.js';
import type { UnreadPath } from '../protocol/files-api.js';

/** True for an error of one file, or of one file system, that leaves the others as they are. */
export function isDamage(error: unknown): boolean {
  return isUmbraError(error, 'FILESYSTEM_DAMAGED', 'FILESYSTEM_UNREADABLE', 'STORE_DAMAGED');
}

/** True for what is damaged, and not merely of a kind that is not read. */
export function isRealDamage(error: unknown): boolean {
  return causeOf(error) === 'damaged';
}

/** Why a device can't be looked at. */
export interface UnreadDevice {
  readonly reason: string;
  readonly isDamaged: boolean;
}

/** So many are told one by one. */
const MAX_LISTED = 1_000;

/**
 * What could not be looked at: the first of it, and how much it is. A device of a kind that is not read is told of once,
 * with the first shadow copy in which it was met.
 */
export class UnreadPaths {
  readonly list: UnreadPath[] = [];
  count = 0;
  /** Of them, those that are damaged. */
  damagedCount = 0;
  readonly #notRead = new Set<string>();

  /** @throws `error` itself if it is not of one file alone */
  add(shadowCopy: string, path: string, error: unknown): void {
    if (!isDamage(error)) throw error;
    this.#add(shadowCopy, path, messageOf(error), isRealDamage(error));
  }

  /** As {@link add}, of a whole device. */
  addDevice(shadowCopy: string, device: string, { reason, isDamaged }: UnreadDevice): void {
    const path = `/${device}`;
    if (!isDamaged) {
      const key = `${path}\0${reason}`;
      if (this.#notRead.has(key)) return;
      this.#notRead.add(key);
    }
    this.#add(shadowCopy, path, reason, isDamaged);
  }

  #add(shadowCopy: string, path: string, reason: string, isDamaged: boolean): void {
    this.count++;
    if (isDamaged) this.damagedCount++;
    if (this.list.length < MAX_LISTED) this.list.push({ shadowCopy, path, reason: printable(reason), isDamaged });
  }
}
