import type { BlockMapping, Run } from './block-mapping.js';

/** Some runs of a mapping are others: those of fast commits. */
export class PatchedMapping implements BlockMapping {
  readonly #base: BlockMapping;
  readonly #patches: readonly Run[];

  /** @param patches in the order that they were made; the later ones count */
  constructor(base: BlockMapping, patches: readonly Run[]) {
    this.#base = base;
    this.#patches = sorted(patches);
  }

  find(block: number): Run | Promise<Run> {
    const next = this.#firstAfter(block);
    const before = this.#patches[next - 1];
    const start = before === undefined ? 0 : before.start + before.length;
    if (before !== undefined && block < start) return before;
    const end = this.#patches[next]?.start ?? Infinity;
    const run = this.#base.find(block);
    return run instanceof Promise ? run.then((found) => within(found, start, end)) : within(run, start, end);
  }

  /** The index of the first patch that starts behind `block`. */
  #firstAfter(block: number): number {
    let low = 0;
    let high = this.#patches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#patches[middle]?.start ?? 0) <= block) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** The part of a run from `start` on, before `end`. */
function within(run: Run, start: number, end: number): Run {
  const from = Math.max(run.start, start);
  const to = Math.min(run.start + run.length, end);
  const physical = run.physical === undefined ? undefined : run.physical + from - run.start;
  return { start: from, length: to - from, physical };
}

/** The runs that count, in order, none over another: merged in pairs, so that many cost little. */
function sorted(patches: readonly Run[]): readonly Run[] {
  let lists: (readonly Run[])[] = patches.map((run) => [run]);
  while (lists.length > 1) {
    const merged: (readonly Run[])[] = [];
    for (let at = 0; at < lists.length; at += 2) merged.push(merge(lists[at] ?? [], lists[at + 1] ?? []));
    lists = merged;
  }
  return lists[0] ?? [];
}

/** Two lists in one; where both have something, the newer counts. */
function merge(older: readonly Run[], newer: readonly Run[]): Run[] {
  const runs: Run[] = [];
  let at = 0;
  let rest = older[0];
  /** Take what the older list has before `end`; drop what it has before `resume`. */
  const take = (end: number, resume: number): void => {
    while (rest !== undefined && rest.start < resume) {
      const restEnd = rest.start + rest.length;
      if (rest.start < end) runs.push(within(rest, rest.start, Math.min(restEnd, end)));
      rest = restEnd > resume ? within(rest, Math.max(rest.start, resume), restEnd) : older[++at];
    }
  };
  for (const run of newer) {
    take(run.start, run.start + run.length);
    runs.push(run);
  }
  take(Infinity, Infinity);
  return runs;
}
