import { readFile } from 'node:fs/promises';
import { deviceNumbers } from './device-numbers.js';
import type { LockKind } from './file-locks.js';

/** One lock of /proc/locks (proc(5)). */
export interface ProcLock {
  /** `POSIX`, `FLOCK`, `OFDLCK`, … */
  readonly type: string;
  readonly kind: LockKind;
  /** -1 for open file description locks, which belong to no process. */
  readonly pid: number;
  /** `MAJOR:MINOR:INODE`, device numbers in hex; see {@link lockedFileName}. */
  readonly file: string;
  readonly start: number;
  /** The last byte; Infinity: to the end of the file. */
  readonly end: number;
}

/** All file locks that this process may see. */
export async function readProcLocks(): Promise<readonly ProcLock[]> {
  return parseProcLocks(await readFile('/proc/locks', 'utf8'));
}

/** The text of /proc/locks; locks that only wait (`->`) and lines not of its form are left out. */
export function parseProcLocks(text: string): readonly ProcLock[] {
  return text
    .split('\n')
    .map(parseLine)
    .filter((lock) => lock !== undefined);
}

/** How /proc/locks names the file with these numbers of `stat`. */
export function lockedFileName(dev: bigint, ino: bigint): string {
  const { major, minor } = deviceNumbers(dev);
  return `${hex(major)}:${hex(minor)}:${ino}`;
}

/** `1: OFDLCK ADVISORY  READ -1 fe:00:131 100 101` */
function parseLine(line: string): ProcLock | undefined {
  const [, type, , access, pid, file, start, end] = line.trim().split(/\s+/);
  if (type === undefined || pid === undefined || file === undefined || start === undefined) return undefined;
  if (access !== 'READ' && access !== 'WRITE') return undefined;
  return {
    type,
    kind: access === 'READ' ? 'shared' : 'exclusive',
    pid: Number(pid),
    file,
    start: Number(start),
    end: end === 'EOF' || end === undefined ? Infinity : Number(end),
  };
}

function hex(number: bigint): string {
  return number.toString(16).padStart(2, '0');
}
