import { readFile } from 'node:fs/promises';

/** The file system types that a mount of Umbra has (mount/fuse.ts gives the subtype). */
const OUR_TYPE = 'fuse.umbra';

/** The mount points of Umbra that the kernel has, of live servers and of killed ones. */
export async function ourMountPoints(): Promise<readonly string[]> {
  return parseMountInfo(await readFile('/proc/self/mountinfo', 'utf8'));
}

/** See proc_pid_mountinfo(5): the mount point is the fifth field, the type the first one after the dash. */
export function parseMountInfo(text: string): readonly string[] {
  const points: string[] = [];
  for (const line of text.split('\n')) {
    const fields = line.split(' ');
    const dash = fields.indexOf('-', 6);
    const point = fields[4];
    if (dash > 0 && point !== undefined && fields[dash + 1] === OUR_TYPE) points.push(unescapeOctal(point));
  }
  return points;
}

/** The kernel writes a space as `\040`, and a tab, line feed and backslash likewise, byte by byte. */
function unescapeOctal(text: string): string {
  return text.replaceAll(/\\([0-3][0-7]{2})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)));
}
