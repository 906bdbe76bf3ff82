import type { ErrorCode } from '../common/error-codes.js';
import { isUmbraError } from '../common/errors.js';

/** A job is begun so often before its next due time is waited for. */
export const MOST_ATTEMPTS = 6;
export const FIRST_DELAY_MS = 60_000;
export const LONGEST_DELAY_MS = 30 * 60_000;

/** Errors that may be gone when it is tried again, without anybody doing something about them. */
const PASSING: readonly ErrorCode[] = [
  'AGENT_UNREACHABLE',
  'AGENT_FAILED',
  'MACHINE_BUSY',
  'STORE_IN_USE',
  'STORE_FULL',
  'STORE_FAILED',
  // What was found damaged is known from then on, and sent again.
  'STORE_DAMAGED',
  'IMAGE_IN_USE',
  'IMAGE_CHANGED',
  'IMAGE_FAILED',
  'TRACKER_BUSY',
  'TRACKER_FAILED',
  'SCRIPT_FAILED',
  'HYPERVISOR_UNREACHABLE',
  'HYPERVISOR_FAILED',
  'SERVER_UNREACHABLE',
  'SERVER_STOPPING',
  // Whoever cancels a job of the server is known to it; this is an agent that ends.
  'CANCELLED',
];

export function mayPass(error: unknown): boolean {
  return isUmbraError(error, ...PASSING);
}

/**
 * How long is waited after so many attempts that failed: 1, 2, 4 … minutes, at most 30, less up to half of it, so that what failed at
 * once is not tried again at once.
 * @param random in [0, 1)
 */
export function retryDelayMs(attempts: number, random: () => number): number {
  const full = Math.min(FIRST_DELAY_MS * 2 ** (Math.max(attempts, 1) - 1), LONGEST_DELAY_MS);
  return Math.round(full * (1 - random() / 2));
}
