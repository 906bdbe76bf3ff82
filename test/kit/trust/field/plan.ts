import type { Random } from '../../random.js';

/** What happens in a round: chosen before it begins, so that a seed repeats it, however long everything takes. */
export interface Plan {
  readonly seconds: number;
  readonly steps: readonly Step[];
}

/** Something is struck and made good again. */
export interface Step {
  /** From the moment at which what was struck before is well again. */
  readonly afterMs: number;
  /** One or two names; those of two are struck one right after the other. */
  readonly strikes: readonly string[];
  /** It stays so for so long. */
  readonly downMs: number;
}

/** How long everything goes on before it is looked at. */
const LEAST_SECONDS = 25;
const MOST_SECONDS = 70;
const PAUSE_MS = 12_000;
const DOWN_MS = 6000;
/** Of rounds, so many have no strikes: nothing may break off then. */
const CALM_PART = 0.15;
const TWO_PART = 0.2;

/** @param isFirst - of a field: nothing is struck then, so that there is something to be lost. @param names - of all strikes */
export function planOf(random: Random, isFirst: boolean, names: readonly string[]): Plan {
  const seconds = random.between(LEAST_SECONDS, MOST_SECONDS);
  const steps: Step[] = [];
  const isCalm = random.chance(CALM_PART) || isFirst;
  for (let atMs = 0; !isCalm;) {
    const afterMs = Math.round(random.fraction() * PAUSE_MS);
    const rest = [...names];
    const strikes = (random.chance(TWO_PART) ? [1, 2] : [1]).flatMap(() => rest.splice(random.below(rest.length), 1));
    const downMs = Math.round(random.fraction() * DOWN_MS);
    atMs += afterMs;
    if (atMs >= seconds * 1000) break;
    steps.push({ afterMs, strikes, downMs });
    atMs += downMs;
  }
  return { seconds, steps };
}
