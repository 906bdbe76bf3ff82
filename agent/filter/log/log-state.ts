import { BlockSet } from './block-set.js';
import type { FileRef, LogRecord } from './records.js';

/** What one durable mark covers: a region of a volume. Smaller ones are more syncs, for the sake of a kill alone. */
export const MARK_BYTES = 4 * 1024 * 1024;
/** What a change is known to, unless the filter was killed. */
export const BLOCK_BYTES = 64 * 1024;
/** So many checkpoints of a group are kept; the oldest stays, since it is the one that the server has. */
export const MAX_EPOCHS = 8;

/** What was written to a file between a checkpoint and the next. */
export class FileChanges {
  /** Regions of {@link MARK_BYTES} that have a mark in the log. */
  readonly marks = new BlockSet(MARK_BYTES);
  /** Those whose mark is durable. */
  readonly durable = new BlockSet(MARK_BYTES);
  /** Blocks of {@link BLOCK_BYTES} that were written, as far as this process or a clean end knows. */
  blocks = new BlockSet(BLOCK_BYTES);
  everything = false;
  everythingDurable = false;

  include(other: FileChanges): void {
    this.marks.addAll(other.marks);
    this.durable.addAll(other.durable);
    this.blocks.addAll(other.blocks);
    this.everything ||= other.everything;
    this.everythingDurable ||= other.everythingDurable;
  }
}

/** What follows a checkpoint. */
export interface Epoch {
  readonly id: string;
  readonly timeMs: number;
  settled: boolean;
  /** What the group called each file then. */
  readonly names: ReadonlyMap<number, string>;
  readonly changes: Map<number, FileChanges>;
}

/** What the records of a log say, the same while it is written and when it is read again. */
export class LogState {
  readonly files = new Map<number, FileRef>();
  /** Checkpoints of each group, the oldest first. */
  readonly groups = new Map<string, Epoch[]>();
  readonly prints = new Map<number, string>();
  lastFile = 0;
  readonly #current = new Map<number, readonly FileChanges[]>();

  apply(record: LogRecord): void {
    switch (record.t) {
      case 'started':
        this.prints.clear();
        break;
      case 'checkpoint':
        this.#checkpoint(record);
        break;
      case 'settled':
        for (const epoch of this.epochs(record.group)) if (epoch.id === record.id) epoch.settled = true;
        break;
      case 'dropped':
        this.#drop(record.group, record.id);
        break;
      case 'forgotten':
        this.groups.delete(record.group);
        this.#forgetUnused();
        break;
      case 'removed':
        this.#remove(record.file);
        break;
      case 'print':
        this.prints.set(record.file, record.print);
        break;
      case 'clean':
        break;
      default:
        this.#change(record);
    }
  }

  /**
   * The power went: what was written before a checkpoint may not be on the disk, and so counts as written after it,
   * unless the files were synced since.
   */
  unsettle(): void {
    for (const epochs of this.groups.values()) {
      for (const [index, { settled, changes }] of epochs.entries()) {
        if (settled) continue;
        const before = epochs[index - 1]?.changes;
        for (const [file, after] of changes) {
          const earlier = before?.get(file);
          // Nobody noted what was written before the first checkpoint.
          if (earlier === undefined) changes.delete(file);
          else after.include(earlier);
        }
      }
    }
    this.#forgetUnused();
  }

  epochs(group: string): readonly Epoch[] {
    return this.groups.get(group) ?? [];
  }

  /** Where a write to the file is noted: once for each group that has it. */
  current(file: number): readonly FileChanges[] {
    return this.#current.get(file) ?? [];
  }

  idOf(key: string): number | undefined {
    for (const file of this.files.values()) if (file.key === key) return file.id;
    return undefined;
  }

  #change(record: Extract<LogRecord, { readonly file: number }>): void {
    const targets = 'epoch' in record ? this.#ofEpoch(record) : this.current(record.file);
    for (const changes of targets) {
      if (record.t === 'mark' || record.t === 'marked') for (const run of record.runs) changes.marks.add(run);
      else if (record.t === 'blocks') for (const run of record.runs) changes.blocks.add(run);
      else changes.everything = true;
    }
  }

  #ofEpoch(record: { readonly group: string; readonly epoch: number; readonly file: number }): readonly FileChanges[] {
    const changes = this.epochs(record.group)[record.epoch]?.changes.get(record.file);
    return changes === undefined ? [] : [changes];
  }

  #checkpoint({ group, id, timeMs, files }: Extract<LogRecord, { readonly t: 'checkpoint' }>): void {
    const epochs = this.groups.get(group) ?? [];
    this.groups.set(group, epochs);
    for (const file of files) {
      this.files.set(file.id, file);
      this.lastFile = Math.max(this.lastFile, file.id);
    }
    const changes = new Map(files.map((file) => [file.id, new FileChanges()]));
    const names = new Map(files.map((file) => [file.id, file.name]));
    epochs.push({ id, timeMs, settled: false, names, changes });
    if (epochs.length > MAX_EPOCHS) mergeSecond(epochs);
    this.#forgetUnused();
  }

  /** Without such a checkpoint nothing is dropped. */
  #drop(group: string, id: string): void {
    const epochs = this.groups.get(group);
    const index = epochs?.findIndex((epoch) => epoch.id === id) ?? -1;
    if (index > 0) epochs?.splice(0, index);
    this.#forgetUnused();
  }

  #remove(file: number): void {
    for (const epochs of this.groups.values()) for (const epoch of epochs) epoch.changes.delete(file);
    this.#forgetUnused();
  }

  /** Files that no checkpoint has; and who gets the changes of the others. */
  #forgetUnused(): void {
    const used = new Set<number>();
    this.#current.clear();
    for (const epochs of this.groups.values()) {
      for (const { changes } of epochs) for (const file of changes.keys()) used.add(file);
      for (const [file, changes] of epochs.at(-1)?.changes ?? []) {
        this.#current.set(file, [...this.current(file), changes]);
      }
    }
    for (const id of this.files.keys()) if (!used.has(id)) this.files.delete(id);
  }
}

/** The second checkpoint is not asked for any more: what followed it followed the first one too. */
function mergeSecond(epochs: Epoch[]): void {
  const [first, second] = epochs;
  if (first === undefined || second === undefined) return;
  for (const [file, changes] of first.changes) {
    const later = second.changes.get(file);
    if (later === undefined) first.changes.delete(file);
    else changes.include(later);
  }
  epochs.splice(1, 1);
}
