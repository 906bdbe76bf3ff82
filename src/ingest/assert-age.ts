import { UmbraError } from '../common/errors.js';
import type { EndFrame } from '../protocol/ingest.js';

/** A checkpoint is not older than this when its upload begins. */
const OLDEST_MS = 7 * 24 * 60 * 60 * 1000;

/**
 * Refuse a point in time that a sender can't have seen. A limit on bandwidth may stretch an upload over weeks: what it took here makes
 * its checkpoint older, and nothing else does.
 * @param tookMs since the upload began, by the server's clock
 * @throws {UmbraError} BAD_ARGUMENT
 */
export function assertAge({ ageMs }: EndFrame, tookMs: number): void {
  if (ageMs <= OLDEST_MS + tookMs) return;
  throw new UmbraError('BAD_ARGUMENT', `"ageMs" is ${ageMs}, and the upload took ${Math.round(tookMs)} ms`);
}
