import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';

/** A process that has a file open. */
export interface FileOpener {
  readonly pid: number;
  /** The program's name, at most 15 characters, as the kernel keeps it. */
  readonly name: string;
  readonly writable: boolean;
}

const O_ACCMODE = 0o3;
// A machine may run thousands of processes; other work gets its turn between them.
const PROCESSES_AT_ONCE = 32;

/**
 * The processes that have the file at `realPath` open, as far as this user may look: all of them
 * for root. Compares the names that /proc shows, which touches no file system but /proc, so a dead
 * network mount can't hang it; a file opened by another hard link is not found.
 */
export async function findOpeners(realPath: string): Promise<readonly FileOpener[]> {
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry));
  const found: FileOpener[] = [];
  for (const [index, pid] of pids.entries()) {
    if (index % PROCESSES_AT_ONCE === 0) await setImmediate();
    const writable = openingsOf(pid, realPath);
    if (writable !== undefined) found.push({ pid: Number(pid), name: processName(pid), writable });
  }
  return found;
}

/** The command name of a process, or `?` when it is gone. */
export function processName(pid: number | string): string {
  return attempt(() => readFileSync(`/proc/${pid}/comm`, 'utf8').trim()) ?? '?';
}

/** Undefined if the process has not opened the file, else whether one of the openings is for writing. */
function openingsOf(pid: string, realPath: string): boolean | undefined {
  const descriptors = attempt(() => readdirSync(`/proc/${pid}/fd`)) ?? [];
  const openings = descriptors.filter((fd) => attempt(() => readlinkSync(`/proc/${pid}/fd/${fd}`)) === realPath);
  return openings.length === 0 ? undefined : openings.some((fd) => isWritable(pid, fd));
}

function isWritable(pid: string, fd: string): boolean {
  const info = attempt(() => readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8')) ?? '';
  const flags = /^flags:\s+([0-7]+)$/m.exec(info)?.[1];
  return flags !== undefined && (Number.parseInt(flags, 8) & O_ACCMODE) !== 0;
}

/** Processes and descriptors go while one looks at them. */
function attempt<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
