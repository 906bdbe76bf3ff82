import { UmbraError } from '../common/errors.js';
import { durationText } from '../common/durations.js';
import type { Listing } from './catalog.js';
import { formerMinimumOf, type FormerMinimum } from './former-minimums.js';
import type { TrustedTime } from './trusted-time.js';

/**
 * How long a shadow copy may not be deleted by anybody yet; 0 if it may. It is as old as the store has certainly had it, and must be as old
 * as the policies said when it was made, since then, and now, whichever is most.
 * @param minimumAgeMs of the policy that holds
 * @param formers those that held since
 */
export function protectedForMs(
  listing: Listing,
  minimumAgeMs: number,
  formers: readonly FormerMinimum[],
  trusted: TrustedTime,
): number {
  const { machine, minimumAgeMs: minimumThen = 0 } = listing;
  const since = storedSince(listing, trusted);
  const formerly = formerMinimumOf(formers, machine, since);
  return Math.max(0, since + Math.max(minimumThen, formerly, minimumAgeMs) - trusted.now());
}

/** How much time has certainly passed since a shadow copy was stored, whatever the wall clock says now. */
export function leastAgeMs(listing: Listing, trusted: TrustedTime): number {
  return Math.max(0, trusted.now() - storedSince(listing, trusted));
}

/** By the trusted time. Of one that was made before there was one only the wall clock of then is known. */
function storedSince({ timeMs, storedAtMs }: Listing, trusted: TrustedTime): number {
  return storedAtMs ?? Math.min(timeMs, trusted.sinceMs);
}

/** @param nowMs of the wall clock */
export function protectedError({ machine, name }: Listing, remainingMs: number, nowMs: number): UmbraError {
  const until = new Date(nowMs + remainingMs).toISOString().slice(0, 16).replace('T', ' ');
  const left = durationText(Math.max(60_000, Math.ceil(remainingMs / 60_000) * 60_000));
  const message = `${machine}@${name} is protected until ${until} UTC, for another ${left}`;
  return new UmbraError('SHADOW_COPY_PROTECTED', message, {
    hint: 'Nobody deletes it before that: it is younger than the minimum age that its policy has, or had since it was made.',
  });
}
