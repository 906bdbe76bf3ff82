import { constants } from 'node:fs';
import { access, readFile } from 'node:fs/promises';
import { UmbraError } from '../src/common/errors.js';
import { requireFusermount } from '../src/system/fuse/unmount.js';

/** What can be known before mounting about whether FUSE will work; libfuse itself explains only on stderr. */
export interface FuseRequirements {
  readonly allowOther: boolean;
  readonly uid: number;
}

/** @throws {UmbraError} PROGRAM_MISSING, MOUNT_FAILED */
export async function checkFuse({ allowOther, uid }: FuseRequirements): Promise<void> {
  await access('/dev/fuse', constants.R_OK | constants.W_OK).catch((cause: unknown) => {
    throw new UmbraError('PROGRAM_MISSING', 'FUSE is not available: /dev/fuse cannot be opened', {
      hint: 'Load the module (modprobe fuse), or give the container or user access to /dev/fuse.',
      cause,
    });
  });
  await requireFusermount();
  if (!allowOther || uid === 0) return;
  const text = await readFile('/etc/fuse.conf', 'utf8').catch(() => '');
  if (allowsOther(text)) return;
  throw new UmbraError('MOUNT_FAILED', 'this user may not let other users into a mount', {
    hint: 'Have the administrator add the line "user_allow_other" to /etc/fuse.conf.',
  });
}

/** Whether /etc/fuse.conf lets ordinary users mount for others. */
export function allowsOther(fuseConf: string): boolean {
  return fuseConf.split('\n').some((line) => line.trim() === 'user_allow_other');
}
