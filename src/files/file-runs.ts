import type { FileId, FileStat, FileType } from '../../mount/filesystems/filesystem.js';
import { UmbraError } from '../common/errors.js';
import type { FoundFile } from '../protocol/files-api.js';
import type { Batches } from './batches.js';
import { sameContent } from './compare-content.js';
import { metadataDifferences } from './compare-stat.js';
import { coverContent } from './cover-content.js';
import { isDamage } from './damage.js';
import type { OpenedVersion } from './opened-version.js';
import { RunTable, type Run } from './run-table.js';
import { statInfoOf } from './stat-info.js';
import type { DeviceVersion, TimelineStep } from './timeline.js';
import type { Verdicts } from './verdicts.js';

type Opened = Extract<TimelineStep, { state: 'opened' }>;

/** Shadow copies in succession in which a device was certainly the same. */
interface Generation {
  readonly first: string;
  last: string;
  /** Shadow copies in this one and in all before. */
  total: number;
}

/** What following the files of a device may take in memory: with usual paths, some 500,000 of them. */
const MAX_BYTES = 64 * 1024 * 1024;

export interface FileRunsOptions {
  readonly verdicts: Verdicts;
  readonly signal: AbortSignal;
  readonly found: Batches<FoundFile>;
  /** Called for a file of which nothing can be said any more when its version has ended; may throw. */
  readonly onError: (shadowCopy: string, path: string, error: unknown) => void;
  /** What it may take in memory; tests have it small. */
  readonly maxBytes?: number;
}

/** Follows the files of a device from one shadow copy to the next, and gives out each version of each when it has ended. */
export class FileRuns {
  readonly #options: FileRunsOptions;
  readonly #generations: Generation[] = [];
  readonly #runs = new RunTable();
  /** While its files are seen. */
  #step: Opened | undefined;
  /** The last that was opened, and in it the device; its file system may be closed meanwhile. */
  #last: { readonly version: OpenedVersion; readonly device: string } | undefined;

  constructor(options: FileRunsOptions) {
    this.#options = options;
  }

  /** The device was opened in the next shadow copy: what is {@link see seen} from now on is in it. */
  begin(step: Opened): void {
    const { name } = step.listing;
    this.#step = step;
    this.#last = { version: step.current.version, device: step.device };
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
    const stat = await step.current.filesystem.stat(id);
    if (type !== undefined && stat.type !== type) return;
    if (stat.type === 'file') await coverContent(step.current, id);
    const run = this.#runs.get(path);
    const now = this.#now;
    if (run?.last === now - 1 && (await this.#isSame(run, id, stat, step))) {
      this.#runs.set(path, { id, first: run.first, last: now });
      return;
    }
    if (run !== undefined) await this.#give(path, run, run.last === now ? step.current : step.previous);
    this.#runs.set(path, { id, first: now, last: now });
    if (this.#runs.bytes > (this.#options.maxBytes ?? MAX_BYTES)) throw tooMany(this.#runs.size);
  }

  /** All that is in the shadow copy was seen: what was not, is not there any more. */
  async end(): Promise<void> {
    const previous = this.#step?.previous;
    this.#step = undefined;
    for (const { path, run } of this.#runs.takeBefore(this.#now)) await this.#give(path, run, previous);
  }

  /** The device is gone, with all its files; the shadow copy that it was seen in last must still be open. */
  async absent(): Promise<void> {
    if (this.#last === undefined || this.#runs.size === 0) return;
    const { version, device } = this.#last;
    const filesystem = (await version.files.guest(device))?.filesystem;
    const last = filesystem === undefined ? undefined : { filesystem };
    for (const { path, run } of this.#runs.takeBefore(Infinity)) await this.#give(path, run, last);
  }

  get #now(): number {
    return this.#generations.length - 1;
  }

  async #isSame(run: Run, id: FileId, stat: FileStat, { current, previous, changes }: Opened): Promise<boolean> {
    if (previous === undefined) return false;
    const { verdicts, signal } = this.#options;
    try {
      const former = await previous.filesystem.stat(run.id);
      if (stat.sizeBytes !== former.sizeBytes) return false;
      const before = { filesystem: previous.filesystem, id: run.id, stat: former, layout: previous.version.layout };
      const after = { filesystem: current.filesystem, id, stat, layout: current.version.layout };
      if ((await metadataDifferences(before, after)).length > 0) return false;
      if (stat.type !== 'file') return true;
      const options = { verdicts, signal, onRead: () => undefined, ...(changes === undefined ? {} : { changes }) };
      return await sameContent(before, after, options);
    } catch (error) {
      if (isDamage(error)) return false;
      throw error;
    }
  }

  /** @param opened the device in the generation in which the run ended, if it can be opened */
  async #give(path: string, run: Run, opened: Pick<DeviceVersion, 'filesystem'> | undefined): Promise<void> {
    const [from, to] = [this.#generations[run.first], this.#generations[run.last]];
    if (from === undefined || to === undefined) return;
    try {
      if (opened === undefined) throw new UmbraError('FILESYSTEM_DAMAGED', 'its file system cannot be opened again');
      const { filesystem } = opened;
      const stat = await statInfoOf(filesystem, run.id, await filesystem.stat(run.id));
      const shadowCopies = to.total - (this.#generations[run.first - 1]?.total ?? 0);
      await this.#options.found.add({ path, stat, first: from.first, last: to.last, shadowCopies });
    } catch (error) {
      this.#options.onError(to.last, path, error);
    }
  }
}

function tooMany(files: number): UmbraError {
  return new UmbraError('BAD_ARGUMENT', `more files match than can be followed from one shadow copy to the next`, {
    hint: `${files} were too many. Search for fewer, or in one shadow copy (--in).`,
  });
}
