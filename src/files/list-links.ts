import { deviceLinks, type LinksName } from '../../mount/files/device-links.js';
import type { FileStat } from '../../mount/filesystems/filesystem.js';
import type { ListedFile } from '../protocol/files-api.js';
import type { GuestFiles } from './guest-files.js';
import { statInfo } from './stat-info.js';

const NS_PER_MS = 1_000_000n;

/**
 * What stands in `/by-label` or `/by-uuid`, sorted: links to the file systems, as a mount shows them.
 * @param timeMs of the shadow copy
 */
export async function listLinks(files: GuestFiles, by: LinksName, timeMs: number): Promise<readonly ListedFile[]> {
  const links = [...deviceLinks(await files.guests(), by)].sort(([one], [other]) => (one < other ? -1 : 1));
  return links.map(([name, device]) => {
    const target = `../${device}`;
    return { name, type: 'symlink', stat: statInfo(linkStat(target, timeMs), target) };
  });
}

function linkStat(target: string, timeMs: number): FileStat {
  const timeNs = BigInt(timeMs) * NS_PER_MS;
  return {
    type: 'symlink',
    permissions: 0o777,
    nlink: 1,
    uid: 0,
    gid: 0,
    sizeBytes: Buffer.byteLength(target),
    blocks: 0,
    mtimeNs: timeNs,
    atimeNs: timeNs,
    ctimeNs: timeNs,
    mayHaveXattrs: false,
  };
}
