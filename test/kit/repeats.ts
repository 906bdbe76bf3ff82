import type { Test } from 'tap';
import { testSeed } from './random.js';

/** How many times as much is tried as in the test suite; set by `scripts/soak`. */
const TIMES = Number(process.env['UMBRA_SOAK'] ?? 0);

/** How often a test tries something random: so often in the test suite, many times that in `scripts/soak`. */
export function repeats(inSuite: number): number {
  return inSuite * Math.max(1, Math.floor(TIMES));
}

/**
 * The first seed of such a test. The suite tries the same each time, so that what fails is what was changed; the soak
 * tries others each time.
 */
export function firstSeed(t: Test): number {
  return TIMES > 0 ? testSeed(t) : 1;
}
