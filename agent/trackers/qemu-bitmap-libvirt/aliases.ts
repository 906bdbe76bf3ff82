import { readFile, rm } from 'node:fs/promises';
import { systemCode } from '../../../src/common/errors.js';
import { writeDurably } from '../../../src/system/durable-file.js';
import { record, text } from '../../json-values.js';

/**
 * Machines that are off are read, but libvirt makes no checkpoints of them. Nothing changes until they start, and the bitmaps of
 * the last checkpoint record on then: that one stands for those made while the machine was off. One small durable file.
 */
export class Aliases {
  readonly #path: string;

  /** @param path - absolute, for one machine; its directory is there */
  constructor(path: string) {
    this.#path = path;
  }

  /** The id of the checkpoint that libvirt has for `id`. */
  async resolve(id: string): Promise<string> {
    return text((await this.#read())[id]) ?? id;
  }

  /** From now on `standsFor` is asked where `id` is meant; aliases of others go. @throws system errors */
  async add(id: string, standsFor: string): Promise<void> {
    const kept = Object.entries(await this.#read()).filter(([, other]) => other === standsFor);
    await writeDurably(this.#path, JSON.stringify(Object.fromEntries([...kept, [id, standsFor]])));
  }

  async clear(): Promise<void> {
    await rm(this.#path, { force: true });
  }

  async #read(): Promise<Readonly<Record<string, unknown>>> {
    try {
      return record(JSON.parse(await readFile(this.#path, 'utf8')));
    } catch (error) {
      if (systemCode(error) === 'ENOENT' || error instanceof SyntaxError) return {};
      throw error;
    }
  }
}
