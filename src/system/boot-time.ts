import { readFileSync } from 'node:fs';

/** Since when this machine runs, whatever its wall clock says. */
export interface Boot {
  /** Another one after each start of the machine. */
  readonly id: string;
  /** Milliseconds since the start, with those that the machine was suspended. */
  readonly uptimeMs: number;
}

/** Where that can't be read, no time is known to have passed. */
export function readBoot(): Boot {
  try {
    const id = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const seconds = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]);
    return Number.isFinite(seconds) ? { id, uptimeMs: Math.floor(seconds * 1000) } : { id, uptimeMs: 0 };
  } catch {
    return { id: '', uptimeMs: 0 };
  }
}
