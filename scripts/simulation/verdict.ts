/** What is checked. */
export const INVARIANTS = [
  'exact bytes',
  'exact bytes of replicas',
  'listed as in the model',
  'replica as in the model',
  'pruned as in the model',
  'minimum age',
  'one job of a machine',
  'limit of a host',
  'quiet windows',
  'made only when due',
  'made within its bound',
  'replicated only when due',
  'replicated within its bound',
  'data loss watched',
  'ages as in the model',
  'nothing unreferenced, nothing missing',
  'index points at objects',
  'sequence numbers once',
  'damage heals',
  'job records',
  'opens after each end',
  'memory',
] as const;
export type Invariant = (typeof INVARIANTS)[number];

/** What did not hold, and where. */
export interface Violation {
  readonly invariant: Invariant;
  readonly machine: string;
  readonly text: string;
}

/** Counts what was checked, and keeps the first thing that did not hold. */
export class Verdict {
  readonly counts = new Map<Invariant, number>(INVARIANTS.map((invariant) => [invariant, 0]));
  violation: Violation | undefined;

  /** @returns `holds` */
  check(invariant: Invariant, holds: boolean, machine: string, text: () => string): boolean {
    this.counts.set(invariant, (this.counts.get(invariant) ?? 0) + 1);
    if (!holds) this.violation ??= { invariant, machine, text: text() };
    return holds;
  }
}
