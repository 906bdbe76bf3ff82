import { open, type FileHandle } from 'node:fs/promises';
import type { Teardown } from './umbra-program.js';
import type { Random } from './random.js';

const BLOCK_BYTES = 4096;

/** Writes to a file all the time, block after block, each with its number in it: so of any content it is known after which write it was the file's. */
export class NumberedWriter {
  readonly #handle: FileHandle;
  readonly #first: Buffer;
  readonly #random: Random;
  /** Where each write went. */
  readonly #blocks: number[] = [];
  #isStopped = false;
  #ended: Promise<void> = Promise.resolve();

  private constructor(handle: FileHandle, first: Buffer, random: Random) {
    this.#handle = handle;
    this.#first = first;
    this.#random = random;
  }

  /** @param first - what the file has */
  static async start(t: Teardown, path: string, first: Buffer, random: Random): Promise<NumberedWriter> {
    const writer = new NumberedWriter(await open(path, 'r+'), Buffer.from(first), random);
    t.teardown(() => writer.stop());
    writer.#ended = writer.#write();
    return writer;
  }

  /** How many writes have begun. */
  get begun(): number {
    return this.#blocks.length;
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#ended;
  }

  /** @returns the number of the last write that `content` has, if it is what the file was right after that one */
  momentOf(content: Buffer): number | undefined {
    let last = 0;
    for (let at = 0; at < content.length; at += BLOCK_BYTES) {
      const number = content.readUInt32LE(at);
      // Blocks that were never written have no numbers.
      if (number <= this.begun && this.#blocks[number - 1] === at / BLOCK_BYTES) last = Math.max(last, number);
    }
    return this.#after(last).equals(content) ? last : undefined;
  }

  /** What the file is after so many writes. */
  #after(count: number): Buffer {
    const content = Buffer.from(this.#first);
    for (const [index, block] of this.#blocks.slice(0, count).entries())
      content.set(numbered(index + 1), block * BLOCK_BYTES);
    return content;
  }

  async #write(): Promise<void> {
    while (!this.#isStopped) {
      const block = this.#random.below(this.#first.length / BLOCK_BYTES);
      this.#blocks.push(block);
      await this.#handle.write(numbered(this.begun), 0, BLOCK_BYTES, block * BLOCK_BYTES);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await this.#handle.close();
  }
}

function numbered(number: number): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  for (let at = 0; at < BLOCK_BYTES; at += 4) block.writeUInt32LE(number, at);
  return block;
}
