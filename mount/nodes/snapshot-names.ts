import type { ShadowCopySummary } from '../source.js';

const VERSION_NAME = /^(\d{4})-(\d{2})-(\d{2})T(\d{2})-(\d{2})-(\d{2})Z(?:-\d+)?$/;
const SNAPSHOT_NAME = /^@GMT-(\d{4})\.(\d{2})\.(\d{2})-(\d{2})\.(\d{2})\.(\d{2})$/;

/** `@GMT-2026.11.22-10.15.00` for `2026-11-22T10-15-00Z` and all others of that second: Samba knows no more of a time. */
export function snapshotName(version: string): string | undefined {
  const [, year, month, day, hour, minute, second] = VERSION_NAME.exec(version) ?? [];
  return year === undefined ? undefined : `@GMT-${year}.${month}.${day}-${hour}.${minute}.${second}`;
}

type Summaries = readonly ShadowCopySummary[];

/**
 * Which shadow copy stands under each name of a snapshot, in one tree: the last of its second. Once one was looked into,
 * the name stays with it, since the kernel keeps what it has seen under a path; it is in `live` that a later one is shown.
 */
export class SnapshotNames {
  /** By machine, what names have come to mean. */
  readonly #meant = new Map<string, Map<string, string>>();
  /** By a machine's list, which is never changed in place, the last of each second. */
  readonly #last = new WeakMap<Summaries, ReadonlyMap<string, ShadowCopySummary>>();

  /** The shadow copies that have names, in the order of the list. */
  all(machine: string, list: Summaries): ShadowCopySummary[] {
    const meant = this.#meant.get(machine);
    return list.filter((summary) => {
      const name = snapshotName(summary.name);
      return name !== undefined && (meant?.get(name) ?? this.#lastOf(list).get(name)?.name) === summary.name;
    });
  }

  /** The shadow copy of a name, which it stays with. */
  find(machine: string, list: Summaries, name: string): ShadowCopySummary | undefined {
    if (!SNAPSHOT_NAME.test(name)) return undefined;
    const meant = this.#meant.get(machine)?.get(name);
    const last = this.#lastOf(list).get(name);
    if (meant !== undefined) return last?.name === meant ? last : list.find((summary) => summary.name === meant);
    if (last !== undefined) this.#meantOf(machine).set(name, last.name);
    return last;
  }

  #meantOf(machine: string): Map<string, string> {
    let meant = this.#meant.get(machine);
    if (meant === undefined) this.#meant.set(machine, (meant = new Map<string, string>()));
    return meant;
  }

  #lastOf(list: Summaries): ReadonlyMap<string, ShadowCopySummary> {
    let last = this.#last.get(list);
    if (last === undefined) {
      const named = list.map((summary) => [snapshotName(summary.name) ?? '', summary] as const);
      this.#last.set(list, (last = new Map(named)));
    }
    return last;
  }
}
