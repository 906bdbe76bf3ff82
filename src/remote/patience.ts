import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../common/clock.js';
import { isUmbraError, UmbraError } from '../common/errors.js';

/** How long a server may be gone before what is asked of it fails. */
export const OUTAGE_LIMIT_MS = 30_000;
/** How long it may take for the next part of an answer. */
export const STALL_MS = 30_000;
const FIRST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 2_000;

export interface Patience {
  readonly clock: Clock;
  /** Aborted when nobody waits any more. */
  readonly signal: AbortSignal;
  readonly outageLimitMs: number;
}

/**
 * Do what needs the server, again and again while it can't be reached, within a limit.
 * @throws {UmbraError} what `work` throws; SERVER_UNREACHABLE when the server is gone for too long, CANCELLED
 */
export async function patiently<T>(work: () => Promise<T>, patience: Patience): Promise<T> {
  const { clock, signal, outageLimitMs } = patience;
  let lostMs: number | undefined;
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS)) {
    assertWanted(signal);
    try {
      return await work();
    } catch (error) {
      assertWanted(signal);
      if (!isUmbraError(error, 'SERVER_UNREACHABLE', 'SERVER_STOPPING')) throw error;
      const now = clock.monotonic();
      lostMs ??= now;
      if (now + waitMs - lostMs > outageLimitMs) throw error;
    }
    await sleep(waitMs, undefined, { signal }).catch(() => undefined);
  }
}

function assertWanted(signal: AbortSignal): void {
  if (signal.aborted) throw cancelled();
}

export function cancelled(): UmbraError {
  return new UmbraError('CANCELLED', 'cancelled');
}

/** The connection to the server broke off. */
export function brokenOff(why?: string): UmbraError {
  return new UmbraError(
    'SERVER_UNREACHABLE',
    `the connection to the server was lost${why === undefined ? '' : `: ${why}`}`,
  );
}
