import { isMachineName } from '../common/names.js';

/** A minimum age that was in force and was made shorter: what was stored until then must still become as old. */
export interface FormerMinimum {
  readonly machine: string;
  readonly minimumAgeMs: number;
  /** By the store's trusted time, when it was made shorter. */
  readonly untilMs: number;
}

/** So many are remembered of a machine; of more, some count for each other. */
const MOST_EACH = 8;

/**
 * The minimum age that was once in force for a shadow copy; 0 if there was none.
 * @param sinceMs when it came into the store
 */
export function formerMinimumOf(formers: readonly FormerMinimum[], machine: string, sinceMs: number): number {
  return formers
    .filter((former) => former.machine === machine && sinceMs <= former.untilMs)
    .reduce((most, { minimumAgeMs }) => Math.max(most, minimumAgeMs), 0);
}

/** Those that still matter, with more of them. @param nowMs by the store's trusted time */
export function rememberMinimums(
  formers: readonly FormerMinimum[],
  shortened: readonly FormerMinimum[],
  nowMs: number,
): FormerMinimum[] {
  const machines = new Map<string, FormerMinimum[]>();
  for (const former of [...formers, ...shortened]) {
    if (former.untilMs + former.minimumAgeMs <= nowMs) continue;
    const others = machines.get(former.machine);
    if (others === undefined) machines.set(former.machine, [former]);
    else others.push(former);
  }
  return [...machines.values()].flatMap(condense);
}

/** The longest first, each for what came later than those before it count for; no more than are remembered. */
function condense(formers: readonly FormerMinimum[]): FormerMinimum[] {
  const kept: FormerMinimum[] = [];
  for (const former of formers.toSorted((a, b) => b.minimumAgeMs - a.minimumAgeMs || b.untilMs - a.untilMs)) {
    const last = kept.at(-1);
    if (last !== undefined && last.untilMs >= former.untilMs) continue;
    // Of too many the last two become one that asks for no less than either.
    if (last !== undefined && kept.length === MOST_EACH) kept[MOST_EACH - 1] = { ...last, untilMs: former.untilMs };
    else kept.push(former);
  }
  return kept;
}

/** One of a store's settings; none if it is not right. */
export function parseFormerMinimum(value: unknown): FormerMinimum[] {
  const { machine, minimumAgeMs, untilMs } = Object(value) as Readonly<Record<string, unknown>>;
  if (typeof machine !== 'string' || !isMachineName(machine)) return [];
  if (typeof minimumAgeMs !== 'number' || typeof untilMs !== 'number') return [];
  return minimumAgeMs > 0 && untilMs >= 0 ? [{ machine, minimumAgeMs, untilMs }] : [];
}
