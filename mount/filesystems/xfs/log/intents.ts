import { INTENTS } from './item-types.js';
import type { LogItem } from './transactions.js';

const DONE: ReadonlySet<number> = new Set(Object.values(INTENTS).map(({ done }) => done));
/** More are not kept: they are only counted. */
const MOST = 100_000;

/** Keeps the intents that nothing has finished: the kernel would do them after the replay. */
export class Intents {
  readonly #open = new Map<bigint, string>();

  /** @returns true if the item is an intent, or the end of one */
  note(type: number, item: LogItem): boolean {
    const intent = INTENTS[type];
    if (intent === undefined && !DONE.has(type)) return false;
    const [region] = item.regions;
    if (region === undefined || region.length < 16) return true;
    const id = region.readBigUInt64LE(8);
    if (intent === undefined) this.#open.delete(id);
    else if (this.#open.size < MOST) this.#open.set(id, intent.what);
    return true;
  }

  /** In plain words, one for each kind. */
  problems(): string[] {
    const counts = new Map<string, number>();
    for (const what of this.#open.values()) counts.set(what, (counts.get(what) ?? 0) + 1);
    return [...counts].map(([what, count]) => `the log ends with ${count} unfinished ${what}, which are not shown`);
  }
}
