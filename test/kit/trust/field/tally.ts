/** What is counted. */
export type Kind =
  | 'strikes'
  /** What actors have done. */
  | 'done'
  /** What broke off, with its error's code. */
  | 'broken off'
  /** By what knew the changes; the bytes are those of their volumes. */
  | 'shadow copies'
  /** By who read them; the bytes are those that were read. */
  | 'comparisons';

interface Count {
  times: number;
  bytes: number;
}

/** The figures of a run. */
export class Tally {
  /** That were complete, with every promise checked. */
  rounds = 0;
  readonly #counts = new Map<Kind, Map<string, Count>>();

  add(kind: Kind, what: string, bytes = 0): void {
    const counts = this.#counts.get(kind) ?? new Map<string, Count>();
    this.#counts.set(kind, counts);
    const count = counts.get(what) ?? { times: 0, bytes: 0 };
    counts.set(what, { times: count.times + 1, bytes: count.bytes + bytes });
  }

  times(kind: Kind, what?: string): number {
    return this.#sum(kind, ({ times }) => times, what);
  }

  bytes(kind: Kind): number {
    return this.#sum(kind, ({ bytes }) => bytes);
  }

  /** How often each of a kind was, for people, by name. */
  describe(kind: Kind): string {
    const counts = [...(this.#counts.get(kind) ?? [])].sort(([a], [b]) => (a < b ? -1 : 1));
    return counts.map(([what, { times }]) => `${what} ${times}`).join(', ');
  }

  #sum(kind: Kind, of: (count: Count) => number, only?: string): number {
    const counts = [...(this.#counts.get(kind) ?? [])];
    return counts.reduce((sum, [what, count]) => (only === undefined || what === only ? sum + of(count) : sum), 0);
  }
}
