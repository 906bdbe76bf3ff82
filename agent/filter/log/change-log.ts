import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Clock } from '../../../src/common/clock.js';
import { messageOf, UmbraError } from '../../../src/common/errors.js';
import type { Log } from '../../../src/common/log.js';
import { AliveFile } from './alive.js';
import { BlockSet, runOf } from './block-set.js';
import { CommitQueue } from './commit-queue.js';
import { LogFile } from './log-file.js';
import { BLOCK_BYTES, LogState, MARK_BYTES, type Epoch, type FileChanges } from './log-state.js';
import { readLog } from './read-log.js';
import type { FileRef, LogRecord } from './records.js';
import { blockRecords, snapshotRecords } from './snapshot.js';
import { trustWhatCanBe, type FilePrint } from './trust.js';

/** A log that grew by so much since it was last written anew is written anew. */
const COMPACT_BYTES = 4 * 1024 * 1024;
/** What can't be said in so many bytes is not said: all checkpoints are given up. */
const MAX_SNAPSHOT_BYTES = 64 * 1024 * 1024;

export interface ChangeLogOptions {
  /** The log's own directory, which is there. */
  readonly directory: string;
  /** Device and inode of the directory whose files it is about. */
  readonly root: string;
  /** Names this run of the kernel. */
  readonly boot: string;
  /** The files that are there, by their device and inode. */
  readonly files: ReadonlyMap<string, FilePrint>;
  readonly clock: Clock;
  readonly log: Log;
}

/** The changes of one file that a checkpoint was asked for. */
export type KnownChanges = BlockSet | { readonly unknown: string };

/**
 * The durable record of which regions of which files were written after which checkpoint. A write waits for
 * {@link mark} before it is passed on; so whatever is in a file after a crash, a mark that tells of it is in the log.
 */
export class ChangeLog {
  /** Why what an earlier process recorded is not known; undefined when it is. */
  readonly lost: string | undefined;
  readonly #options: ChangeLogOptions;
  #state: LogState;
  #file: LogFile;
  readonly #alive: AliveFile;
  readonly #commits = new CommitQueue((records) => this.#write(records));
  #snapshotBytes = 0;
  #touched = true;

  private constructor(options: ChangeLogOptions, parts: Parts) {
    this.#options = options;
    this.#state = parts.state;
    this.#file = parts.file;
    this.#alive = parts.alive;
    this.lost = parts.lost;
  }

  /**
   * Goes on with the log of an earlier process as far as it can be trusted.
   * @throws {Error} of the file system, when the log can't be read or written
   */
  static async open(options: ChangeLogOptions): Promise<ChangeLog> {
    const found = await readLog({ ...places(options.directory), root: options.root, boot: options.boot });
    if ('lost' in found) options.log.warn('filter: nothing is known of changes before now', { reason: found.lost });
    else trustWhatCanBe(found, options.files, options.log);
    const kept = 'lost' in found ? undefined : found;
    const generation = kept?.generation ?? randomBytes(16);
    const file = new LogFile(places(options.directory).logPath, generation, kept?.nextSequence ?? 1);
    const alive = await AliveFile.create(places(options.directory).alivePath);
    const lost = 'lost' in found ? found.lost : undefined;
    const log = new ChangeLog(options, { state: kept?.state ?? new LogState(), file, alive, lost });
    await log.#replace([]);
    await log.#beat();
    return log;
  }

  /**
   * Note that a range is about to be written.
   * @returns undefined when it may be at once; else it must wait
   * @throws {Error} later, when neither can the mark be made durable nor the log be taken away
   */
  mark(file: number, offset: number, length: number): Promise<void> | undefined {
    this.#touched = true;
    const targets = this.#state.current(file);
    let isMarked = true;
    let isDurable = true;
    for (const changes of targets) {
      changes.blocks.add(changes.blocks.run(offset, length));
      if (changes.everythingDurable) continue;
      const run = changes.durable.run(offset, length);
      if (changes.durable.hasAll(run)) continue;
      isDurable = false;
      isMarked &&= changes.marks.hasAll(run);
    }
    if (isDurable) return undefined;
    if (isMarked) return this.#commits.outstanding();
    return this.#mark(file, offset, length, targets);
  }

  async #mark(file: number, offset: number, length: number, targets: readonly FileChanges[]): Promise<void> {
    const run = runOf(MARK_BYTES, offset, length);
    await this.#commit({ t: 'mark', file, runs: [run] });
    for (const changes of targets) changes.durable.add(run);
    if (targets.some((changes) => changes.marks.isFull)) await this.everything(file);
  }

  /** Nobody vouches for any byte of the file before its next checkpoint. Durable when this resolves. */
  async everything(file: number): Promise<void> {
    this.#touched = true;
    const targets = this.#state.current(file);
    if (targets.every((changes) => changes.everythingDurable)) return;
    await this.#commit({ t: 'everything', file });
    for (const changes of targets) changes.everythingDurable = true;
  }

  /** The file is about to go. Durable when this resolves. */
  async removed(file: number): Promise<void> {
    if (this.#state.files.has(file)) await this.#commit({ t: 'removed', file });
  }

  /** As {@link everything}, of all files: a directory above some of them got another name. */
  async everythingOfAll(): Promise<void> {
    await Promise.all([...this.#state.files.keys()].map((file) => this.everything(file)));
  }

  /** Something else was changed: a mode, an owner. */
  touch(): void {
    this.#touched = true;
  }

  idOf(key: string): number | undefined {
    return this.#state.idOf(key);
  }

  /** Numbers for files that a checkpoint is made of. */
  refs(files: readonly Omit<FileRef, 'id'>[]): readonly FileRef[] {
    let next = this.#state.lastFile;
    return files.map((file) => ({ id: this.#state.idOf(file.key) ?? ++next, ...file }));
  }

  /**
   * Everything that is written from now on comes after the checkpoint; at once.
   * @returns a promise of its durability
   */
  checkpoint(group: string, id: string, files: readonly FileRef[]): Promise<void> {
    return this.#commit({ t: 'checkpoint', group, id, timeMs: this.#options.clock.now(), files });
  }

  /** The group's checkpoints, the oldest first. */
  epochs(group: string): readonly Epoch[] {
    return this.#state.epochs(group);
  }

  groups(): readonly string[] {
    return [...this.#state.groups.keys()];
  }

  /** What was written to a file from the checkpoint `since` until now. */
  changesSince(group: string, since: string, { id: file, name }: Pick<FileRef, 'id' | 'name'>): KnownChanges {
    const epochs = this.#state.epochs(group);
    const first = epochs.findIndex(({ id }) => id === since);
    if (first < 0) return { unknown: `nothing is known of the checkpoint ${since}` };
    const blocks = new BlockSet(BLOCK_BYTES);
    for (const { changes, names } of epochs.slice(first)) {
      const of = changes.get(file);
      if (of === undefined || names.get(file) !== name)
        return { unknown: 'the file is another one than at that checkpoint' };
      if (of.everything) return { unknown: 'the file got another name, or was written in too many places' };
      blocks.addAll(of.blocks);
    }
    return blocks.isFull ? { unknown: 'the file was written in too many places' } : blocks;
  }

  settled(group: string, id: string): Promise<void> {
    return this.#commit({ t: 'settled', group, id });
  }

  /** Forget the group's checkpoints before `id`. */
  drop(group: string, id: string): Promise<void> {
    return this.#commit({ t: 'dropped', group, id });
  }

  forget(group: string): Promise<void> {
    return this.#commit({ t: 'forgotten', group });
  }

  /** Call it about once in a second. */
  async beat(): Promise<void> {
    if (!this.#touched) return;
    this.#touched = false;
    await this.#beat();
  }

  /** The end of the process. All files are synced and nobody writes any more. */
  async close(files: ReadonlyMap<string, FilePrint>): Promise<void> {
    await this.#commits.outstanding();
    const prints = [...this.#state.files.values()].flatMap(({ id, key }): LogRecord[] => {
      const print = files.get(key)?.print;
      return print === undefined ? [] : [{ t: 'print', file: id, print }];
    });
    await this.#replace([...blockRecords(this.#state.groups), ...prints, { t: 'clean' }]);
    await this.#beat();
    await this.#file.close();
    await this.#alive.close();
  }

  async #beat(): Promise<void> {
    const { generation, durableSequence } = this.#file;
    const timeMs = this.#options.clock.now();
    await this.#alive.write({ generation: generation.toString('hex'), sequence: durableSequence, timeMs });
  }

  #commit(record: LogRecord): Promise<void> {
    this.#state.apply(record);
    return this.#commits.add(record);
  }

  async #write(records: readonly LogRecord[]): Promise<void> {
    try {
      // The state has these records already, and those that are queued.
      if (!this.#file.isOpen || this.#file.bytes > this.#snapshotBytes + COMPACT_BYTES) await this.#replace([]);
      else await this.#file.append(records);
    } catch (error) {
      await this.#giveUp(error);
    }
  }

  async #replace(more: readonly LogRecord[]): Promise<void> {
    const { root, boot } = this.#options;
    let snapshot = [...snapshotRecords(this.#state)];
    if (JSON.stringify(snapshot).length > MAX_SNAPSHOT_BYTES) {
      this.#options.log.warn('filter: too much changed to be noted; all checkpoints are given up');
      this.#state = emptyAfter(this.#state);
      snapshot = [];
    }
    await this.#file.replace([...snapshot, { t: 'started', boot, root }, ...more]);
    this.#snapshotBytes = this.#file.bytes;
  }

  /** Without a log nothing is vouched for, and the guest goes on. It must be gone from the disk for that. */
  async #giveUp(error: unknown): Promise<void> {
    this.#options.log.error('filter: the change log cannot be written; all checkpoints are given up', {
      reason: messageOf(error),
    });
    this.#state = emptyAfter(this.#state);
    try {
      await this.#file.close();
      await this.#file.remove();
      const generation = randomBytes(16);
      this.#file = new LogFile(places(this.#options.directory).logPath, generation, 1);
    } catch (cause) {
      throw new UmbraError('TRACKER_FAILED', `the change log cannot be written: ${messageOf(error)}`, {
        hint: `Make room in ${this.#options.directory}, or repair its disk.`,
        cause,
      });
    }
  }
}

interface Parts {
  readonly state: LogState;
  readonly file: LogFile;
  readonly alive: AliveFile;
  readonly lost: string | undefined;
}

function places(directory: string): { readonly logPath: string; readonly alivePath: string } {
  return { logPath: join(directory, 'changes'), alivePath: join(directory, 'alive') };
}

/** Numbers of files are not used again: some may still be remembered. */
function emptyAfter({ lastFile }: LogState): LogState {
  const state = new LogState();
  state.lastFile = lastFile;
  return state;
}
