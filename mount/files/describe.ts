import { messageOf } from '../../src/common/errors.js';
import type { Filesystem, JournalState } from '../filesystems/filesystem.js';
import type { Guest, ShadowFiles } from './shadow-files.js';
import { usageOf } from './usage.js';

/** What `about.json` says of a file system, or of what stands in the place of one. */
export type GuestDescription =
  | {
      readonly name: string;
      readonly type: string;
      readonly label: string;
      readonly uuid: string;
      readonly sizeBytes: number;
      /** Null when it could not be counted; the problems say why. */
      readonly usedBytes: number | null;
      /** `clean`, `replayed`, `none` or `ignored (WHY)`. */
      readonly journal: string;
      readonly problems: readonly string[];
    }
  | {
      readonly name: string;
      readonly sizeBytes: number;
      readonly unreadable: string;
      readonly problems: readonly string[];
    };

/** All file systems of a shadow copy, in the order of its volumes. */
export async function describeFiles(files: ShadowFiles): Promise<readonly GuestDescription[]> {
  return await Promise.all((await files.guests()).map(describeGuest));
}

async function describeGuest(guest: Guest): Promise<GuestDescription> {
  const { name, sizeBytes, filesystem, unreadable } = guest;
  if (filesystem === undefined) {
    return { name, sizeBytes, unreadable: unreadable?.text.trim() ?? '', problems: guest.problems };
  }
  const { type, label, uuid, journal } = filesystem;
  const { usedBytes, problems } = await usedOf(filesystem);
  return {
    name,
    type,
    label,
    uuid,
    sizeBytes: filesystem.sizeBytes,
    usedBytes,
    journal: journalText(journal),
    problems: [...guest.problems, ...filesystem.problems, ...problems],
  };
}

async function usedOf(
  filesystem: Filesystem,
): Promise<{ readonly usedBytes: number | null; readonly problems: readonly string[] }> {
  try {
    const { blockBytes, blocks, freeBlocks } = await usageOf(filesystem);
    return { usedBytes: (blocks - freeBlocks) * blockBytes, problems: [] };
  } catch (error) {
    return { usedBytes: null, problems: [`what is used could not be counted: ${messageOf(error)}`] };
  }
}

/** A journal's state as `about.json` says it. */
export function journalText(journal: JournalState): string {
  return journal.state === 'ignored' ? `ignored (${journal.reason})` : journal.state;
}
