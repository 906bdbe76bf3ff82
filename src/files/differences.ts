import type { FileId, FileStat } from '../../mount/filesystems/filesystem.js';
import type { FileDifference } from '../protocol/files-api.js';
import { Batches } from './batches.js';

/** A file that only one side has at its path. */
export interface OneSided {
  readonly path: string;
  readonly id: FileId;
  readonly stat: FileStat;
}

/** So many of each side are kept to find out which of them were only renamed; what is more comes as added and removed. */
const MAX_KEPT = 50_000;

/** Says whether a file that was removed and one that was added are the same, and in what they differ all the same. */
export type MatchRename = (from: OneSided, to: OneSided) => Promise<readonly string[] | undefined>;

/** Collects what differs, counts it, and gives it out. */
export class Differences {
  readonly counts = { added: 0, removed: 0, changed: 0, metadata: 0, renamed: 0 };
  readonly #batches: Batches<FileDifference>;
  #removed: OneSided[] = [];
  #added: OneSided[] = [];

  constructor(emit: (items: readonly FileDifference[]) => Promise<void>) {
    this.#batches = new Batches(emit);
  }

  async add(difference: FileDifference): Promise<void> {
    this.counts[difference.change]++;
    await this.#batches.add(difference);
  }

  async addOneSided(change: 'added' | 'removed', file: OneSided): Promise<void> {
    const kept = change === 'added' ? this.#added : this.#removed;
    if (kept.length < MAX_KEPT) kept.push(file);
    else await this.add(oneSided(change, file));
  }

  /** Give out what only one side has, with renames found by `match`; both sides are of one file system. */
  async settle(match: MatchRename): Promise<void> {
    const [removed, added] = [this.#removed, this.#added];
    this.#removed = [];
    this.#added = [];
    const former = new Map<FileId, OneSided[]>();
    for (const file of removed) former.set(file.id, [...(former.get(file.id) ?? []), file]);
    const directories = new Map<string, string>();
    const gone = new Set(removed);
    for (const file of added) {
      const from = former.get(file.id)?.[0];
      const what = from === undefined ? undefined : await match(from, file);
      if (from === undefined || what === undefined) {
        await this.add(oneSided('added', file));
        continue;
      }
      former.get(file.id)?.shift();
      gone.delete(from);
      if (file.stat.type === 'directory') directories.set(from.path, file.path);
      if (what.length === 0 && isWithDirectory(from.path, file.path, directories)) continue;
      await this.add(renamed(from, file, what));
    }
    for (const file of gone) await this.add(oneSided('removed', file));
  }

  /** Give out what is left. */
  async end(): Promise<void> {
    await this.#batches.flush();
  }
}

/** What lies in a renamed directory under its own name is told with it. */
function isWithDirectory(from: string, to: string, directories: ReadonlyMap<string, string>): boolean {
  const [a, b] = [from.lastIndexOf('/'), to.lastIndexOf('/')];
  return from.slice(a) === to.slice(b) && directories.get(from.slice(0, a)) === to.slice(0, b);
}

function oneSided(change: 'added' | 'removed', { path, stat }: OneSided): FileDifference {
  const { type, sizeBytes } = stat;
  const size = change === 'added' ? { toBytes: sizeBytes } : { fromBytes: sizeBytes };
  return { change, path, type, what: [], ...(type === 'file' ? size : {}) };
}

function renamed(from: OneSided, to: OneSided, what: readonly string[]): FileDifference {
  return { change: 'renamed', path: to.path, fromPath: from.path, type: to.stat.type, what };
}
