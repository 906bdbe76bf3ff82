import type { FileId, FileStat, FileType } from '../../mount/filesystems/filesystem.js';
import { UmbraError } from '../common/errors.js';
import type { FoundFile } from '../protocol/files-api.js';
import type { Batches } from './batches.js';
import { sameContent } from './compare-content.js';
import { metadataDifferences } from './compare-stat.js';
import { coverContent } from './cover-content.js';
import { isDamage } from './damage.js';
import { statInfo } from './stat-info.js';
import type { TimelineStep } from './timeline.js';
import type { Verdicts } from './verdicts.js';

type Opened = Extract<TimelineStep, { state: 'opened' }>;

/** Shadow copies in succession in which a device was certainly the same. */
interface Generation {
  readonly first: string;
  last: string;
  /** Shadow copies in this one and in all before. */
  total: number;
}

/** A version of a file, from one generation to another. */
interface Run {
  id: FileId;
  stat: FileStat;
  readonly target: string | undefined;
  readonly first: number;
  last: number;
}

/** So many paths are followed at once, some 400 bytes each. */
const MAX_PATHS = 200_000;

export interface FileRunsOptions {
  readonly verdicts: Verdicts;
  readonly signal: AbortSignal;
  readonly found: Batches<FoundFile>;
}

/** Follows the files of a device from one shadow copy to the next, and gives out each version of each when it has ended. */
export class FileRuns {
  readonly #options: FileRunsOptions;
  readonly #generations: Generation[] = [];
  readonly #runs = new Map<string, Run>();
  #step: Opened | undefined;

  constructor(options: FileRunsOptions) {
    this.#options = options;
  }

  /** The device was opened in the next shadow copy: what is {@link see seen} from now on is in it. */
  begin(step: Opened): void {
    const { name } = step.listing;
    this.#step = step;
    this.#generations.push({ first: name, last: name, total: (this.#generations.at(-1)?.total ?? 0) + 1 });
  }

  /** All that was seen last is in this shadow copy, too. */
  same(shadowCopy: string): void {
    const generation = this.#generations.at(-1);
    if (generation === undefined) return;
    generation.last = shadowCopy;
    generation.total++;
  }

  /**
   * A file is there now.
   * @param type what is of another type does not count
   * @throws {UmbraError} BAD_ARGUMENT for too many files; FILESYSTEM_DAMAGED, STORE_DAMAGED
   */
  async see(path: string, id: FileId, type: FileType | undefined): Promise<void> {
    const step = this.#step;
    if (step === undefined) return;
    const { filesystem } = step.current;
    const stat = await filesystem.stat(id);
    if (type !== undefined && stat.type !== type) return;
    const now = this.#generations.length - 1;
    const run = this.#runs.get(path);
    if (stat.type === 'file') await coverContent(step.current, id);
    if (run?.last === now - 1 && (await this.#isSame(run, id, stat, step))) {
      run.last = now;
      run.id = id;
      run.stat = stat;
      return;
    }
    const target = stat.type === 'symlink' ? await filesystem.readlink(id) : undefined;
    if (run !== undefined) await this.#give(path, run);
    this.#runs.set(path, { id, stat, target, first: now, last: now });
    if (this.#runs.size > MAX_PATHS) throw tooMany();
  }

  /** All that is in the shadow copy was seen: what was not, is not there any more. */
  async end(): Promise<void> {
    const now = this.#generations.length - 1;
    for (const [path, run] of this.#runs) {
      if (run.last === now) continue;
      this.#runs.delete(path);
      await this.#give(path, run);
    }
  }

  /** The device is gone, with all its files. */
  async absent(): Promise<void> {
    for (const [path, run] of this.#runs) {
      this.#runs.delete(path);
      await this.#give(path, run);
    }
  }

  async #isSame(run: Run, id: FileId, stat: FileStat, { current, previous, changes }: Opened): Promise<boolean> {
    if (previous === undefined || stat.sizeBytes !== run.stat.sizeBytes) return false;
    const before = { filesystem: previous.filesystem, id: run.id, stat: run.stat, layout: previous.version.layout };
    const after = { filesystem: current.filesystem, id, stat, layout: current.version.layout };
    const { verdicts, signal } = this.#options;
    try {
      if ((await metadataDifferences(before, after)).length > 0) return false;
      if (stat.type !== 'file') return true;
      const options = { verdicts, signal, onRead: () => undefined, ...(changes === undefined ? {} : { changes }) };
      return await sameContent(before, after, options);
    } catch (error) {
      if (isDamage(error)) return false;
      throw error;
    }
  }

  async #give(path: string, { stat, target, first, last }: Run): Promise<void> {
    const [from, to] = [this.#generations[first], this.#generations[last]];
    const before = this.#generations[first - 1]?.total ?? 0;
    await this.#options.found.add({
      path,
      stat: statInfo(stat, target),
      first: from?.first ?? '',
      last: to?.last ?? '',
      shadowCopies: (to?.total ?? 0) - before,
    });
  }
}

function tooMany(): UmbraError {
  return new UmbraError('BAD_ARGUMENT', `more than ${MAX_PATHS} files of one shadow copy match`, {
    hint: 'Search for fewer, or in one shadow copy (--in).',
  });
}
