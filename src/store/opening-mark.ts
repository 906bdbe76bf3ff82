import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

import type { Clock } from '../common/clock.js';
import { messageOf, systemCode, UmbraError } from '../common/errors.js';

/** A process that lives so long after it opened a store did not die of opening it. */
const TRIAL_MS = 10_000;
const NO_ROOM: ReadonlySet<string | undefined> = new Set(['ENOSPC', 'EDQUOT']);

/**
 * A file that is there while a store is opened and for 10 s more. Whoever finds it knows that the last process that opened
 * the store died of something, perhaps of a damaged table, and would die of it too. It is neither synced nor needed:
 * where it can't be written, the next process opens the store without looking.
 */
export class OpeningMark {
  readonly #file: string;
  readonly #clock: Clock;
  #cancel: (() => void) | undefined;
  #suspect: boolean;
  #kept = false;

  private constructor(file: string, clock: Clock, wasLeft: boolean) {
    this.#file = file;
    this.#clock = clock;
    this.#suspect = wasLeft;
  }

  /** Leave the mark; the caller holds the store's lock. @throws {UmbraError} STORE_FAILED */
  static async leave(directory: string, clock: Clock): Promise<OpeningMark> {
    const file = path.join(directory, 'opening');
    try {
      const boot = await readIfThere('/proc/sys/kernel/random/boot_id');
      const wasLeft = (await readIfThere(file)) === boot;
      if (!wasLeft) await write(file, boot ?? '');
      return new OpeningMark(file, clock, wasLeft);
    } catch (cause) {
      throw new UmbraError('STORE_FAILED', `cannot write ${file}: ${messageOf(cause)}`, { cause });
    }
  }

  /** True if a process died over opening the store, unless the machine went down, and nobody knows better by now. */
  get isSuspect(): boolean {
    return this.#suspect;
  }

  /** The store was looked at, or mended. */
  trust(): void {
    this.#suspect = false;
    this.#kept = false;
  }

  /** The store is open: the mark goes when the trial is over. */
  opened(): void {
    this.#cancel?.();
    this.#cancel = this.#clock.after(TRIAL_MS, () => void this.#remove());
  }

  /** The store is known to be damaged: the mark stays, so that every later process looks too, until one has rebuilt it. */
  keep(): void {
    this.#suspect = true;
    this.#kept = true;
  }

  /** The process goes, and not over this. Idempotent. */
  async clear(): Promise<void> {
    this.#cancel?.();
    this.#cancel = undefined;
    if (!this.#kept) await this.#remove();
  }

  /** A mark that can't be removed costs whoever comes next a look at the tables. */
  async #remove(): Promise<void> {
    await rm(this.#file, { force: true }).catch(() => undefined);
  }
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'latin1');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function write(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text, { mode: 0o600 });
  } catch (error) {
    if (!NO_ROOM.has(systemCode(error))) throw error;
  }
}
