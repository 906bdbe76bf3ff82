import { UmbraError } from '../common/errors.js';
import type { Progress } from '../protocol/api.js';
import type { FindFilesRequest, FindFilesResult, FoundFile } from '../protocol/files-api.js';
import { UnreadPaths } from './damage.js';
import { FileRuns } from './file-runs.js';
import { OneVersion } from './one-version.js';
import type { FilesContext } from './opened-version.js';
import { findScope, type FindScope } from './find-scope.js';
import type { PathPattern, PatternState } from './path-pattern.js';
import { Timeline, type DeviceVersion, type TimelineStep } from './timeline.js';
import { walkTree } from './walk-tree.js';
import { Batches } from './batches.js';

export interface FindOptions {
  readonly context: FilesContext;
  readonly request: FindFilesRequest;
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;
  /** Takes what was found, some at a time. */
  readonly emit: (items: readonly FoundFile[]) => Promise<void>;
}

/**
 * Find files by a pattern, in one shadow copy or in all of them. In one of them they come as they are met. In all of them,
 * each file comes once for each version of it, when the last shadow copy that holds this version was looked at, sorted by
 * path among those that ended together, if they are not too many; file systems in which nothing changed are not looked at again.
 *
 * @throws {UmbraError} NOT_FOUND, BAD_ARGUMENT, STORE_FAILED, CANCELLED
 */
export async function findFiles(options: FindOptions): Promise<FindFilesResult> {
  const { context, request, signal, progress } = options;
  const { machine, version } = request;
  const start = context.clock.monotonic();
  const { catalog } = context.store;
  const one = catalog.find(machine, version ?? 'latest');
  const listings = version === undefined ? catalog.shadowCopies(machine) : [one];
  const search = new Search(options, await findScope(context, request, one.name));
  const timeline = new Timeline(context, { machine, what: `a search for ${request.glob}`, signal });
  const looked = new Set<string>();
  try {
    for await (const step of timeline.steps(listings)) {
      looked.add(step.listing.name);
      progress({ what: `looking at ${step.listing.name} (${looked.size} of ${listings.length})`, doneBytes: 0 });
      await search.take(step);
    }
    await search.end();
  } finally {
    await timeline.close();
  }
  const seconds = (context.clock.monotonic() - start) / 1000;
  const { found, unread } = search;
  return {
    machine,
    shadowCopies: looked.size,
    found: found.count,
    unread: unread.list,
    unreadCount: unread.count,
    damagedCount: unread.damagedCount,
    seconds,
  };
}

/** Takes the files of a device that match. */
type Sightings = Pick<FileRuns, 'see'>;

class Search {
  readonly found: Batches<FoundFile>;
  readonly unread = new UnreadPaths();
  readonly #options: FindOptions;
  readonly #pattern: PathPattern;
  readonly #devices: ReadonlySet<string> | undefined;
  /** By device. */
  readonly #runs = new Map<string, FileRuns>();

  constructor(options: FindOptions, { pattern, devices }: FindScope) {
    this.#options = options;
    this.#pattern = pattern;
    this.#devices = devices;
    this.found = new Batches(options.emit);
  }

  async take(step: TimelineStep): Promise<void> {
    const { device, listing } = step;
    const state = this.#pattern.step(this.#pattern.start, device);
    if (state.length === 0 || this.#devices?.has(device) === false) return;
    if (step.state === 'unreadable') this.unread.addDevice(listing.name, device, step);
    else if (step.state === 'same') this.#runsOf(device).same(listing.name);
    else if (step.state === 'absent') await this.#runsOf(device).absent();
    else if (this.#options.request.version !== undefined) {
      await this.#walk(step.current, device, state, new OneVersion(this.found, step));
    } else {
      const runs = this.#runsOf(device);
      runs.begin(step);
      await this.#walk(step.current, device, state, runs);
      await runs.end();
    }
    await this.found.flush();
  }

  /** Give out what is in the last shadow copies, whose file systems are still open. */
  async end(): Promise<void> {
    const devices = [...this.#runs].sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [, runs] of devices) await runs.absent();
    await this.found.flush();
  }

  async #walk(opened: DeviceVersion, device: string, state: PatternState, sightings: Sightings): Promise<void> {
    const { filesystem, version } = opened;
    const { request, signal } = this.#options;
    const onError = (path: string, error: unknown): void => {
      this.unread.add(version.listing.name, path, error);
    };
    const top = { name: device, id: filesystem.root, type: 'directory' as const };
    if (this.#pattern.accepts(state)) await this.#match(`/${device}`, top, sightings, onError);
    if (!this.#pattern.canGoOn(state)) return;
    const items = walkTree<PatternState>({
      filesystem,
      id: filesystem.root,
      path: `/${device}`,
      state,
      step: (above, name) => this.#pattern.step(above, name),
      enters: (below) => this.#pattern.canGoOn(below),
      onError,
      signal,
    });
    for await (const { path, item, state: at } of items) {
      if (!this.#pattern.accepts(at)) continue;
      if (request.type !== undefined && item.type !== undefined && item.type !== request.type) continue;
      await this.#match(path, item, sightings, onError);
    }
  }

  async #match(
    path: string,
    item: { readonly id: FileIdOf },
    sightings: Sightings,
    onError: (path: string, error: unknown) => void,
  ): Promise<void> {
    try {
      await sightings.see(path, item.id, this.#options.request.type);
    } catch (error) {
      if (error instanceof UmbraError && error.code === 'BAD_ARGUMENT') throw error;
      onError(path, error);
    }
  }

  #runsOf(device: string): FileRuns {
    let runs = this.#runs.get(device);
    if (runs === undefined) {
      const { context, signal } = this.#options;
      runs = new FileRuns({
        verdicts: context.verdicts,
        signal,
        found: this.found,
        onError: (shadowCopy, path, error) => {
          this.unread.add(shadowCopy, path, error);
        },
      });
      this.#runs.set(device, runs);
    }
    return runs;
  }
}

type FileIdOf = Parameters<DeviceVersion['filesystem']['stat']>[0];
