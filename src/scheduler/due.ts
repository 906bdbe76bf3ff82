import type { Rhythm } from '../policies/policy.js';
import { intervalOf, nextRun, previousRun } from '../policies/rhythm.js';

const DAY_MS = 24 * 60 * 60 * 1000;
const MOST_KEPT = 1000;

interface Around {
  readonly fromMs: number;
  readonly toMs: number;
  readonly previous: number | undefined;
  readonly next: number | undefined;
}

/** What is known of a machine's runs. */
export interface RunsSoFar {
  /** Begin of the last one; undefined if there was none. */
  readonly lastMs: number | undefined;
  /** Since when the machine is planned for. */
  readonly sinceMs: number;
}

/** Says when machines are due. The times around a moment are kept by rhythm: many machines share one, and reading a calendar takes 0.4 ms. */
export class DueTimes {
  readonly #around = new Map<string, Around>();

  /**
   * When a machine is, or was, due. However many times of a calendar were missed, the last one is due; an interval is due so long after
   * the last run, and at once if there was none.
   * @returns undefined if never
   * @throws {UmbraError} BAD_ARGUMENT for an expression or a time zone that is not right
   */
  of(rhythm: Rhythm, timeZone: string, { lastMs, sinceMs }: RunsSoFar, nowMs: number): number | undefined {
    if (rhythm.kind === 'interval') return lastMs === undefined ? sinceMs : lastMs + intervalOf(rhythm);
    const { previous, next } = this.#lookAround(rhythm, timeZone, nowMs);
    return previous !== undefined && (lastMs ?? sinceMs) < previous ? previous : next;
  }

  #lookAround(rhythm: Rhythm & { kind: 'calendar' }, timeZone: string, nowMs: number): Around {
    const key = `${timeZone}\n${rhythm.cron.join('\n')}`;
    const known = this.#around.get(key);
    if (known !== undefined && known.fromMs <= nowMs && nowMs < known.toMs) return known;
    const around = this.#goOn(rhythm, timeZone, known, nowMs) ?? lookAround(rhythm, timeZone, nowMs);
    if (this.#around.size >= MOST_KEPT) this.#around.clear();
    this.#around.set(key, around);
    return around;
  }

  /** The times around a moment that is behind the known ones, if there is just one of the calendar's times between: nearly always so. */
  #goOn(rhythm: Rhythm, timeZone: string, known: Around | undefined, nowMs: number): Around | undefined {
    if (known?.next === undefined || nowMs < known.next) return undefined;
    const next = nextRun(rhythm, timeZone, known.next);
    return next === undefined || nowMs >= next
      ? undefined
      : { fromMs: known.next, toMs: next, previous: known.next, next };
  }
}

function lookAround(rhythm: Rhythm, timeZone: string, nowMs: number): Around {
  const previous = previousRun(rhythm, timeZone, nowMs);
  const next = nextRun(rhythm, timeZone, nowMs);
  return { fromMs: previous ?? nowMs, toMs: next ?? nowMs + DAY_MS, previous, next };
}
