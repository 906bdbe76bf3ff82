import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';

/** A process that has a file open. */
export interface FileOpener {
  /** Which of the files. */
  readonly path: string;
  readonly pid: number;
  /** The program's name, at most 15 characters, as the kernel keeps it. */
  readonly name: string;
  readonly writable: boolean;
}

const O_ACCMODE = 0o3;
// A machine may run thousands of processes; other work gets its turn between them.
const PROCESSES_AT_ONCE = 32;

/**
 * The processes that have one of the files at `realPaths` open, as far as this user may look: all of them
 * for root. Compares the names that /proc shows, which touches no file system but /proc, so a dead
 * network mount can't hang it; a file opened by another hard link is not found.
 */
export async function findOpeners(...realPaths: readonly string[]): Promise<readonly FileOpener[]> {
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry));
  const wanted = new Set(realPaths);
  const found: FileOpener[] = [];
  for (const [index, pid] of pids.entries()) {
    if (index % PROCESSES_AT_ONCE === 0) await setImmediate();
    for (const [path, writable] of openingsOf(pid, wanted)) {
      found.push({ path, pid: Number(pid), name: processName(pid), writable });
    }
  }
  return found;
}

/** The command name of a process, or `?` when it is gone. */
export function processName(pid: number | string): string {
  return attempt(() => readFileSync(`/proc/${pid}/comm`, 'utf8').trim()) ?? '?';
}

/** Which of the wanted files the process has open, and whether for writing. */
function openingsOf(pid: string, wanted: ReadonlySet<string>): ReadonlyMap<string, boolean> {
  const openings = new Map<string, boolean>();
  for (const fd of attempt(() => readdirSync(`/proc/${pid}/fd`)) ?? []) {
    const path = attempt(() => readlinkSync(`/proc/${pid}/fd/${fd}`));
    if (path === undefined || !wanted.has(path)) continue;
    openings.set(path, (openings.get(path) ?? false) || isWritable(pid, fd));
  }
  return openings;
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
