import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, open, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '../../src/common/clock.js';
import { messageOf, systemCode, UmbraError } from '../../src/common/errors.js';
import type { Log } from '../../src/common/log.js';
import { syncDirectory } from '../../src/system/sync-directory.js';
import type { FilteredFiles } from './filtered-files.js';
import type { Gate } from './gate.js';
import type { ChangeLog, KnownChanges } from './log/change-log.js';
import type { FileRef } from './log/records.js';
import type { LowerDirectory } from './lower-directory.js';
import { keyOf, type TrackedFile } from './tracked-files.js';
import { SideSpace } from './view/side-space.js';
import { ViewFile } from './view/view-file.js';

/** How long writes that are under way may keep a checkpoint waiting, and everybody else with it. */
const HOLD_MS = 2000;
const MAX_VIEWS = 64;
const MAX_GROUPS = 1024;

export interface CheckpointWish {
  /** The machine; its checkpoints are its own. */
  readonly group: string;
  readonly id: string;
  /** The checkpoint to tell the changes since; undefined: none. */
  readonly since: string | undefined;
  /** Each by a name that stays the same from checkpoint to checkpoint, and its path below the directory, `/a.img`. */
  readonly files: readonly { readonly name: string; readonly path: string }[];
}

/** The files of a checkpoint as they were at its instant, until {@link Checkpoints.end}. */
export interface View {
  /** Names its directory in the mount. */
  readonly token: string;
  readonly group: string;
  readonly id: string;
  readonly timeMs: number;
  /** How long nobody could write. */
  readonly pauseMs: number;
  readonly files: readonly ViewedFile[];
  readonly space: SideSpace;
  /** Resolves when what was written before the checkpoint is durable; false when that failed. Never rejects. */
  readonly settled: Promise<boolean>;
}

export interface ViewedFile {
  readonly name: string;
  readonly path: string;
  readonly view: ViewFile;
  readonly changes: KnownChanges;
  readonly tracked: TrackedFile;
}

export interface CheckpointsParts {
  readonly lower: LowerDirectory;
  readonly files: FilteredFiles;
  readonly log: ChangeLog;
  readonly gate: Gate;
  readonly sideDirectory: string;
  /** How much each view may keep of what is overwritten. */
  readonly sideBytes: number;
  readonly clock: Clock;
  readonly messages: Log;
}

interface Opened {
  readonly name: string;
  readonly path: string;
  readonly live: FileHandle;
  readonly side: FileHandle;
  readonly key: string;
}

/** Makes checkpoints and their views, for any number of machines at once. */
export class Checkpoints {
  readonly #parts: CheckpointsParts;
  readonly #views = new Map<string, View>();

  constructor(parts: CheckpointsParts) {
    this.#parts = parts;
  }

  view(token: string): View | undefined {
    return this.#views.get(token);
  }

  views(): readonly View[] {
    return [...this.#views.values()];
  }

  /** @throws {UmbraError} IMAGE_NOT_FOUND, IMAGE_FORMAT, TRACKER_BUSY, TRACKER_FAILED */
  async begin(wish: CheckpointWish): Promise<View> {
    this.#refuseTooMany(wish.group);
    const space = new SideSpace(this.#parts.sideDirectory, this.#parts.sideBytes);
    const opened: Opened[] = [];
    try {
      for (const file of wish.files) opened.push(await this.#open(file, space));
      const { view, durable } = await this.#hold(wish, opened, space);
      this.#views.set(view.token, view);
      try {
        await durable;
        if (wish.since !== undefined) await this.#parts.log.drop(wish.group, wish.since);
      } catch (error) {
        await this.end(view);
        throw error;
      }
      return view;
    } catch (error) {
      if (!this.views().some(({ space: of }) => of === space)) {
        await Promise.allSettled(opened.flatMap(({ live, side }) => [live.close(), side.close()]));
      }
      throw error;
    }
  }

  async #hold(
    wish: CheckpointWish,
    opened: readonly Opened[],
    space: SideSpace,
  ): Promise<{ readonly view: View; readonly durable: Promise<void> }> {
    const { gate, clock } = this.#parts;
    const start = clock.monotonic();
    const { taken, durable, timeMs } = await gate.hold(HOLD_MS, async () => {
      const trackeds = await Promise.all(opened.map((file) => this.#stillThere(file)));
      // From here to the end nothing waits: it is one instant.
      return { ...this.#take(wish, opened, trackeds, space), timeMs: clock.now() };
    });
    const pauseMs = clock.monotonic() - start;
    const token = randomBytes(16).toString('hex');
    const settled = durable.then(() => this.#settle(wish, opened));
    const view = { token, group: wish.group, id: wish.id, timeMs, pauseMs, files: taken, space };
    return { view: { ...view, settled: settled.catch(() => false) }, durable };
  }

  #take(
    { group, id, since }: CheckpointWish,
    opened: readonly Opened[],
    trackeds: readonly TrackedFile[],
    space: SideSpace,
  ): { readonly taken: readonly ViewedFile[]; readonly durable: Promise<void> } {
    const { log, files } = this.#parts;
    const refs = log.refs(mergeNames(opened));
    const taken = opened.flatMap(({ name, path, live, side, key }, index): ViewedFile[] => {
      const [tracked, ref] = [trackeds[index], refs.find((of) => of.key === key)];
      if (tracked === undefined || ref === undefined) return [];
      const changes =
        since === undefined ? { unknown: 'it is the first checkpoint' } : log.changesSince(group, since, ref);
      const view = new ViewFile({ path, live, side, space, sizeBytes: tracked.sizeBytes });
      tracked.views.add(view);
      return [{ name, path, view, changes, tracked }];
    });
    const durable = log.checkpoint(group, id, refs);
    files.tracked.renumber();
    return { taken, durable };
  }

  async #open({ name, path }: { readonly name: string; readonly path: string }, space: SideSpace): Promise<Opened> {
    const { lower } = this.#parts;
    let live: FileHandle;
    try {
      live = await open(lower.at(path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (error) {
      throw notThere(lower.path + path, error);
    }
    try {
      const stats = await live.stat({ bigint: true });
      if (!stats.isFile()) throw new UmbraError('IMAGE_FORMAT', `${lower.path}${path} is not a regular file`);
      return { name, path, live, side: await space.file(), key: keyOf(stats) };
    } catch (error) {
      await live.close();
      throw error;
    }
  }

  async #stillThere({ path, key }: Opened): Promise<TrackedFile> {
    const { lower, files } = this.#parts;
    const stats = await lstat(lower.at(path), { bigint: true }).catch((error: unknown) => {
      throw notThere(lower.path + path, error);
    });
    if (keyOf(stats) === key) return files.tracked.get(stats);
    throw new UmbraError('TRACKER_FAILED', `${lower.path}${path} was replaced while the checkpoint was made`, {
      hint: 'Try again.',
    });
  }

  /** Until this is done, a power cut could take back what the checkpoint has. */
  async #settle({ group, id }: CheckpointWish, opened: readonly Opened[]): Promise<boolean> {
    const { lower, log, messages } = this.#parts;
    try {
      for (const { live } of opened) await live.datasync();
      for (const directory of new Set(opened.flatMap(({ path }) => above(path)))) {
        await syncDirectory(lower.at(directory));
      }
      await log.settled(group, id);
      return true;
    } catch (error) {
      messages.warn('filter: the files of a checkpoint could not be synced', { group, id, reason: messageOf(error) });
      return false;
    }
  }

  /** @throws {UmbraError} TRACKER_FAILED when what the checkpoint has is not durable in the files */
  async acknowledge({ group, id, settled }: View): Promise<void> {
    if (!(await settled)) {
      throw new UmbraError('TRACKER_FAILED', `the files of checkpoint ${id} could not be synced`, {
        hint: 'See the log of the filter; the next checkpoint tries again.',
      });
    }
    await this.#parts.log.drop(group, id);
  }

  /** Idempotent; never rejects. */
  async end(view: View): Promise<void> {
    if (!this.#views.delete(view.token)) return;
    for (const { tracked, view: file } of view.files) {
      tracked.views.delete(file);
      this.#parts.files.tracked.release(tracked);
    }
    await view.settled;
    await Promise.all(view.files.map(({ view: file }) => file.close()));
  }

  async forget(group: string): Promise<void> {
    await this.#parts.log.forget(group);
    this.#parts.files.tracked.renumber();
  }

  #refuseTooMany(group: string): void {
    if (this.views().some((view) => view.group === group)) {
      throw new UmbraError('TRACKER_BUSY', `a checkpoint of ${group} is being read`, {
        hint: 'Wait until its backup has ended.',
      });
    }
    const { log } = this.#parts;
    if (this.#views.size < MAX_VIEWS && (log.epochs(group).length > 0 || log.groups().length < MAX_GROUPS)) return;
    throw new UmbraError('TRACKER_BUSY', 'the filter has too many checkpoints', {
      hint: 'Wait until other backups have ended; forget machines that are gone.',
    });
  }
}

/** Two names may lead to the same file. */
function mergeNames(opened: readonly Opened[]): readonly Omit<FileRef, 'id'>[] {
  const byKey = new Map<string, Omit<FileRef, 'id'>>();
  for (const { key, name, path } of opened) {
    const known = byKey.get(key);
    byKey.set(key, { key, path, name: known === undefined ? name : `${known.name} ${name}` });
  }
  return [...byKey.values()];
}

/** The directories that a path leads through. */
function above(path: string): readonly string[] {
  const parent = dirname(path);
  return parent === path ? [] : [parent, ...above(parent)];
}

function notThere(path: string, cause: unknown): UmbraError {
  const hint = systemCode(cause) === 'ENOENT' ? 'Is it in the directory of the filter?' : undefined;
  return new UmbraError('IMAGE_NOT_FOUND', `${path} cannot be opened: ${messageOf(cause)}`, {
    ...(hint === undefined ? {} : { hint }),
    cause,
  });
}
