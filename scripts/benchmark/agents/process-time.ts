import { readdirSync, readFileSync } from 'node:fs';
import { run, type RunOptions } from '../process.js';

/** Linux counts in hundredths of a second for all that is told of it. */
const TICKS_PER_SECOND = 100;
/** Positions of utime, stime, cutime and cstime behind the name in /proc/PID/stat. */
const TIMES = [11, 12, 13, 14];

/** Seconds of processor time that a process has used, its threads and the children it waited for included; 0 when it is gone. */
export function processSeconds(pid: number): number {
  const fields = read(pid, 'stat')
    .replace(/^.*\) /s, '')
    .split(' ');
  return TIMES.reduce((sum, at) => sum + Number(fields[at] ?? 0), 0) / TICKS_PER_SECOND;
}

/**
 * Seconds of processor time that the threads of a process have used that it still has; 0 when it is gone. To the nanosecond, where
 * {@link processSeconds} counts in hundredths of a second.
 */
export function threadSeconds(pid: number): number {
  return (
    threadsOf(pid).reduce((sum, thread) => sum + Number(read(pid, `task/${thread}/schedstat`).split(' ')[0]), 0) / 1e9
  );
}

function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

/** The most memory that a process ever had, and the most of it that is no file's, bytes. */
export function peakBytes(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(read(pid, 'status'))?.[1] ?? 0) * 1024;
}

/** Memory of a process that is its own and no file's, bytes. */
export function anonymousBytes(pid: number): number {
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(read(pid, 'status'))?.[1] ?? 0) * 1024;
}

/** Bytes that a process caused to be written to disk. */
export function writtenBytes(pid: number): number {
  return Number(/^write_bytes: (\d+)$/m.exec(read(pid, 'io'))?.[1] ?? 0);
}

export interface Timed {
  readonly stdout: string;
  readonly seconds: number;
  readonly processSeconds: number;
}

/** Runs a program to its end, with bash to say how much time of the processors it took. @throws {BenchError} */
export async function runTimed(command: string, args: readonly string[], options: RunOptions = {}): Promise<Timed> {
  const script = 'TIMEFORMAT="%U %S"; { time "$@" 2>&3; } 3>&2 2>&1';
  const { stdout, seconds } = await run('bash', ['-o', 'pipefail', '-c', script, 'bash', command, ...args], options);
  const lines = stdout.trimEnd().split('\n');
  const [user = '0', system = '0'] = (lines.at(-1) ?? '').split(' ');
  return { stdout: lines.slice(0, -1).join('\n'), seconds, processSeconds: Number(user) + Number(system) };
}

function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}
