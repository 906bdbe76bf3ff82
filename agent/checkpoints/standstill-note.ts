import { readFile, rm } from 'node:fs/promises';
import { systemCode } from '../../src/common/errors.js';
import { record } from '../json-values.js';
import { writeDurably } from '../../src/system/durable-file.js';

/** What an agent is about to do to a machine, written down before: the next one undoes it if this one is killed. */
export interface StandstillNote {
  /** Its file systems may be at rest. */
  readonly frozen: boolean;
  /** It ran before and may be paused. */
  readonly paused: boolean;
}

/** One small durable file. */
export class StandstillNotes {
  readonly #path: string;

  /** @param path - absolute, for one machine; its directory is there */
  constructor(path: string) {
    this.#path = path;
  }

  /** @throws system errors */
  async write(note: StandstillNote): Promise<void> {
    await writeDurably(this.#path, JSON.stringify(note));
  }

  /** Undefined if there is none. One that can't be read may have said anything. */
  async read(): Promise<StandstillNote | undefined> {
    try {
      const note = record(JSON.parse(await readFile(this.#path, 'utf8')));
      return { frozen: note['frozen'] !== false, paused: note['paused'] !== false };
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined;
      if (error instanceof SyntaxError) return { frozen: true, paused: true };
      throw error;
    }
  }

  /** It need not be durable: undoing what is undone is harmless. */
  async remove(): Promise<void> {
    await rm(this.#path, { force: true });
  }
}
