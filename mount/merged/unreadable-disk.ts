import { isUmbraError, messageOf } from '../../src/common/errors.js';
import type { MergedDisk } from '../../src/protocol/stored-chains.js';
import type { Unreadable } from '../disk/block-device.js';
import { NOTHING } from '../disk/nothing.js';
import { unreadableText } from '../disk/recognise/unreadable-text.js';
import { causeOf } from '../disk/unreadable-cause.js';

/** Why a disk can't be shown that its files can't be put together to, and what to do. */
export function unreadableDisk({ files }: MergedDisk, error: unknown): Unreadable {
  const names = files.map(({ volume }) => `${volume}.raw`).join(', ');
  const hint = isUmbraError(error) && error.hint !== undefined ? `${error.hint} ` : '';
  return {
    what: `a disk that was stored as the files that it is made of, and cannot be put together: ${messageOf(error)}`,
    hint:
      `${hint}The files stand in volumes/ as they were, the one at the bottom first: ${names}. ` +
      '"umbra restore" gives them back to each other as they lay, for QEMU\'s tools to look at. An older shadow copy may be whole.',
    cause: causeOf(error),
  };
}

/** The same as a text. */
export function unreadableDiskText(disk: MergedDisk, error: unknown): string {
  const device = { name: disk.name, source: NOTHING, origin: { kind: 'volume' }, problems: [] } as const;
  return unreadableText(device, unreadableDisk(disk, error));
}
