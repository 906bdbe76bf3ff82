import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { dropCached } from '../system/page-cache.js';

const MIB = 1024 * 1024;
const TABLE = /^(\d+)\.ldb$/;

export interface WrittenTablesLimits {
  /** It is looked for new tables when so much was written. */
  readonly lookBytes: number;
  /** As much of the tables written last stays in the page cache. */
  readonly keepBytes: number;
}

const LIMITS: WrittenTablesLimits = { lookBytes: 64 * MIB, keepBytes: 64 * MIB };

/**
 * Takes tables that LevelDB has written, all but the newest, out of the page cache; what LevelDB has mapped and somebody has read stays. A
 * backup would fill it with what nobody is about to read, at the cost of what others have there; and in a virtual machine whose host
 * lends memory page by page, a page that was not used lately costs several times what is written to it (ARCHITECTURE, "Decisions that a figure made").
 */
export class WrittenTables {
  readonly #directory: string;
  readonly #limits: WrittenTablesLimits;
  /** Tables up to this number are left alone: they are dropped, or were there before. One that a compaction is still writing may be among them. */
  #last: number;
  #unseenBytes = 0;
  #looking: Promise<void> | undefined;

  private constructor(directory: string, limits: WrittenTablesLimits, last: number) {
    this.#directory = directory;
    this.#limits = limits;
    this.#last = last;
  }

  /** For the database in `directory`; what tables it has counts as read by others. */
  static async open(directory: string, limits: WrittenTablesLimits = LIMITS): Promise<WrittenTables> {
    return new WrittenTables(directory, limits, (await tablesBehind(directory, 0)).at(-1)?.number ?? 0);
  }

  /** So many bytes were written. What is done about it is done meanwhile. */
  note(bytes: number): void {
    this.#unseenBytes += bytes;
    if (this.#unseenBytes < this.#limits.lookBytes || this.#looking !== undefined) return;
    this.#unseenBytes = 0;
    this.#looking = this.#look().finally(() => {
      this.#looking = undefined;
    });
  }

  /** Resolves when nothing is done any more. */
  async idle(): Promise<void> {
    await this.#looking;
  }

  async #look(): Promise<void> {
    const tables = await tablesBehind(this.#directory, this.#last).catch(() => []);
    let from = tables.length;
    for (let kept = 0; from > 0 && kept < this.#limits.keepBytes;) kept += await sizeOf(tables[--from]);
    for (const { number, path } of tables.slice(0, from)) {
      // Compacted away meanwhile, or no descriptor is left for it: then it stays.
      await dropCached(path).catch(() => undefined);
      this.#last = number;
    }
  }
}

interface Table {
  readonly number: number;
  readonly path: string;
}

/** Nothing of one that is gone. */
async function sizeOf(table: Table | undefined): Promise<number> {
  if (table === undefined) return 0;
  return await stat(table.path).then(
    ({ size }) => size,
    () => 0,
  );
}

/** Tables whose numbers are greater, in their order. LevelDB numbers files in the order in which it begins them. */
async function tablesBehind(directory: string, last: number): Promise<Table[]> {
  const tables: Table[] = [];
  for (const name of await readdir(directory)) {
    const number = Number(TABLE.exec(name)?.[1] ?? 0);
    if (number > last) tables.push({ number, path: join(directory, name) });
  }
  return tables.sort((a, b) => a.number - b.number);
}
