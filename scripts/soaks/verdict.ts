import type { Kind, Tally } from '../../test/kit/trust/field/tally.js';

/** How a soak ended. */
export interface Ending {
  readonly seed: number;
  readonly minutes: number;
  /** What did not hold, for people; the soak ended with the first. */
  readonly violations: readonly string[];
  readonly isInterrupted: boolean;
}

const MIB = 1024 * 1024;
/** As shells have it for Ctrl-C. */
const INTERRUPTED = 130;

/** 0 says that something was checked, and all of it held: 1 if anything did not, 130 if nothing could be checked before the end. */
export function exitCodeOf({ violations }: Ending, { rounds }: Pick<Tally, 'rounds'>): number {
  if (violations.length > 0) return 1;
  return rounds === 0 ? INTERRUPTED : 0;
}

/** What a run of some rounds has done and compared, if it was any use. */
const WANTED: readonly (readonly [Kind, readonly string[]])[] = [
  ['done', ['backup', 'verify', 'scrub', 'collect', 'prune']],
  ['comparisons', ['mount', 'remote mount', 'a restore', 'an export', 'a copy of files', 'the mount at rest']],
  ['strikes', ['server killed', 'agent killed']],
];
const SOME_ROUNDS = 6;

/** What never happened in a run that was long enough: promises about it held only since nobody tried. */
export function neverDone(tally: Tally): string[] {
  if (tally.rounds < SOME_ROUNDS) return [];
  return WANTED.flatMap(([kind, names]) =>
    names.filter((name) => tally.times(kind, name) === 0).map((name) => `${kind}: never ${name}`),
  );
}

/** The figures, and the verdict last. */
export function verdictOf(ending: Ending, tally: Tally): string[] {
  const { seed, minutes, violations, isInterrupted } = ending;
  const { rounds } = tally;
  return [
    ...figure(tally, 'shadow copies', 'shadow copies, by what knew the changes'),
    ...figure(tally, 'strikes', 'strikes'),
    ...figure(tally, 'done', 'done'),
    ...figure(tally, 'broken off', 'broken off, as may be'),
    ...figure(tally, 'comparisons', 'comparisons of content, by how it was read'),
    `${isInterrupted ? 'interrupted after ' : ''}${rounds} rounds in ${minutes.toFixed(1)} minutes, seed ${seed}`,
    ...violations.map((violation) => `VIOLATION: ${violation}`),
    verdict(ending, rounds),
  ];
}

function verdict({ violations }: Ending, rounds: number): string {
  if (violations.length > 0) return `verdict: ${violations.length} violations`;
  return rounds === 0 ? 'verdict: none, as no round was complete' : 'verdict: every promise held';
}

function figure(tally: Tally, kind: Kind, title: string): string[] {
  const [times, bytes] = [tally.times(kind), tally.bytes(kind)];
  if (times === 0) return [`${title}: 0`];
  const size = bytes === 0 ? '' : ` of ${Math.round(bytes / MIB)} MiB`;
  return [`${title}: ${times}${size}: ${tally.describe(kind)}`];
}
