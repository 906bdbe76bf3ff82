import { readFile } from 'node:fs/promises';

/** One line of /proc/self/mountinfo (proc(5)). */
export interface MountEntry {
  /** Unique among the mounts of now. */
  readonly id: number;
  /** `MAJOR:MINOR` of the mounted file system. */
  readonly device: string;
  /** The path inside the file system that is mounted; `/` but for bind mounts. */
  readonly root: string;
  readonly mountPoint: string;
  /** `ext4`, `fuse.umbra`, … */
  readonly type: string;
  /** What is mounted: a device, or what the file system calls itself. */
  readonly source: string;
  readonly superOptions: readonly string[];
}

/** The mounts that this process sees, in the order of the kernel's table: a later one covers an earlier one. */
export async function readMounts(): Promise<readonly MountEntry[]> {
  return parseMountInfo(await readFile('/proc/self/mountinfo', 'utf8'));
}

/** The text of /proc/self/mountinfo; lines that are not of its form are left out. */
export function parseMountInfo(text: string): readonly MountEntry[] {
  return text
    .split('\n')
    .map(parseLine)
    .filter((entry) => entry !== undefined);
}

/** `36 35 98:0 /root /mnt rw,noatime master:1 - ext3 /dev/root rw,errors=continue` */
function parseLine(line: string): MountEntry | undefined {
  const fields = line.split(' ');
  // Between the mount's options and the `-` stands any number of optional fields.
  const dash = fields.indexOf('-', 6);
  const [id, , device, root, mountPoint] = fields;
  const [type, source, superOptions] = dash < 0 ? [] : fields.slice(dash + 1);
  if (id === undefined || device === undefined || root === undefined || mountPoint === undefined) return undefined;
  if (type === undefined || source === undefined) return undefined;
  return {
    id: Number(id),
    device,
    root: unescape(root),
    mountPoint: unescape(mountPoint),
    type: unescape(type),
    source: unescape(source),
    superOptions: superOptions?.split(',') ?? [],
  };
}

/** The kernel writes space, tab, newline and backslash as `\040`, `\011`, `\012` and `\134`. */
function unescape(field: string): string {
  return field.replaceAll(/\\([0-7]{3})/g, (_whole, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
