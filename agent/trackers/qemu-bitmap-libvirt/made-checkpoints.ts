import { readFile, rm } from 'node:fs/promises';
import { systemCode } from '../../../src/common/errors.js';
import { writeDurably } from '../../../src/system/durable-file.js';
import { list, text } from '../../json-values.js';

/**
 * The checkpoints that libvirt was asked to make, and of which it has not said that they are deleted with their bitmaps. Where it
 * does not know one of them, QEMU may still record in its bitmaps: of those in its memory nobody else says so. One small durable file.
 */
export class MadeCheckpoints {
  readonly #path: string;

  /** @param path - absolute, for one machine; its directory is there */
  constructor(path: string) {
    this.#path = path;
  }

  /** Their names in libvirt. @throws system errors */
  async list(): Promise<readonly string[]> {
    try {
      return list(JSON.parse(await readFile(this.#path, 'utf8')))
        .map(text)
        .filter((name) => name !== undefined);
    } catch (error) {
      if (systemCode(error) === 'ENOENT' || error instanceof SyntaxError) return [];
      throw error;
    }
  }

  /** Before libvirt is asked to make it. @throws system errors */
  async add(name: string): Promise<void> {
    await this.#change((names) => [...names.filter((other) => other !== name), name]);
  }

  /** Its bitmaps are gone. @throws system errors */
  async remove(name: string): Promise<void> {
    await this.#change((names) => names.filter((other) => other !== name));
  }

  /** No bitmaps of others are left. @throws system errors */
  async keepOnly(kept: readonly string[]): Promise<void> {
    await this.#change((names) => names.filter((name) => kept.includes(name)));
  }

  async #change(change: (names: readonly string[]) => readonly string[]): Promise<void> {
    const before = await this.list();
    const after = change(before);
    if (after.join() === before.join()) return;
    if (after.length === 0) await rm(this.#path, { force: true });
    else await writeDurably(this.#path, JSON.stringify(after));
  }
}
