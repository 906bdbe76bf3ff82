import { readdirSync, readFileSync } from 'node:fs';

/** The environment variable by which the processes of a contender are found, servers that it leaves behind among them. */
export const TAG = 'UMBRA_BENCH_TAG';

const PERIOD_MS = 20;
/** A new process shows its parent's environment until it has called exec: look again a few times. */
const LOOKS = 5;

interface Seen {
  looks: number;
  ours: boolean;
  writtenBytes: number;
}

/**
 * Looks every 20 ms at all processes whose environment holds `UMBRA_BENCH_TAG=<tag>` and adds up what
 * they hold in anonymous memory and what they have written.
 */
export class ProcessWatch {
  readonly #marker: string;
  readonly #seen = new Map<string, Seen>();
  #timer: NodeJS.Timeout | undefined;
  #endedBytes = 0;
  #peakBytes = 0;

  constructor(tag: string) {
    this.#marker = `${TAG}=${tag}\0`;
  }

  start(): void {
    this.#timer ??= setInterval(() => {
      this.look();
    }, PERIOD_MS);
  }

  stop(): void {
    this.look();
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** The highest sum of RssAnon, in bytes, since it was last taken. */
  takePeakBytes(): number {
    const peak = this.#peakBytes;
    this.#peakBytes = 0;
    return peak;
  }

  /** Bytes that the processes caused to be written to disk (`write_bytes` of /proc/PID/io), since the beginning. */
  writtenBytes(): number {
    let sum = this.#endedBytes;
    for (const seen of this.#seen.values()) sum += seen.writtenBytes;
    return sum;
  }

  /** One look at all processes. */
  look(): void {
    const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
    let anonBytes = 0;
    for (const pid of pids) {
      const seen = this.#see(pid);
      if (seen?.ours !== true) continue;
      anonBytes += numberIn(read(pid, 'status'), /^RssAnon:\s+(\d+) kB$/m) * 1024;
      seen.writtenBytes = Math.max(seen.writtenBytes, numberIn(read(pid, 'io'), /^write_bytes: (\d+)$/m));
    }
    this.#peakBytes = Math.max(this.#peakBytes, anonBytes);
    this.#dropEnded(new Set(pids));
  }

  #see(pid: string): Seen | undefined {
    let seen = this.#seen.get(pid);
    if (seen?.ours === true || (seen !== undefined && seen.looks >= LOOKS)) return seen;
    seen ??= { looks: 0, ours: false, writtenBytes: 0 };
    seen.looks += 1;
    seen.ours = `${read(pid, 'environ')}\0`.includes(this.#marker);
    this.#seen.set(pid, seen);
    return seen;
  }

  #dropEnded(alive: ReadonlySet<string>): void {
    for (const [pid, seen] of this.#seen) {
      if (alive.has(pid)) continue;
      this.#endedBytes += seen.writtenBytes;
      this.#seen.delete(pid);
    }
  }
}

/** The ids of the processes that carry `tag` now, but for this process. */
export function taggedPids(tag: string): number[] {
  const marker = `${TAG}=${tag}\0`;
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids
    .filter((pid) => `${read(pid, 'environ')}\0`.includes(marker))
    .map(Number)
    .filter((pid) => pid !== process.pid);
}

/** A file of a process, empty when the process is gone or not ours to look at. */
function read(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return '';
  }
}

function numberIn(text: string, pattern: RegExp): number {
  return Number(pattern.exec(text)?.[1] ?? 0);
}
