import type { FileHandle } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { messageOf, UmbraError } from '../../../src/common/errors.js';
import type { ByteRange } from '../../../src/protocol/api.js';
import { seekData, seekHole } from '../../../src/system/sparse-file.js';
import { BlockSet } from '../log/block-set.js';
import { BLOCK_BYTES } from '../log/log-state.js';
import type { SideSpace } from './side-space.js';

/** So much is copied at once when a file is cut. */
const MAX_COPY_BLOCKS = 16;
const EXTENTS_AT_ONCE = 256;
const ZEROS = Buffer.alloc(BLOCK_BYTES);

export interface ViewFileOptions {
  /** Below the directory, as of the checkpoint. */
  readonly path: string;
  /** The file itself, open for reading; it stays readable whatever becomes of its name. Closed with this. */
  readonly live: FileHandle;
  readonly sizeBytes: number;
  readonly space: SideSpace;
  /** From {@link SideSpace.file}. Closed with this. */
  readonly side: FileHandle;
}

/**
 * A file as it was at a checkpoint: blocks that were overwritten since come from a side file, the others from the file
 * itself. A write to a block begins after its copy is there. So if a block still has no copy when a read of the file
 * itself has ended, no write to it had begun, and what was read is what was there at the checkpoint.
 */
export class ViewFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly #live: FileHandle;
  readonly #side: FileHandle;
  readonly #space: SideSpace;
  readonly #copied = new BlockSet(BLOCK_BYTES);
  readonly #copying = new Map<number, Promise<void>>();

  constructor({ path, live, sizeBytes, space, side }: ViewFileOptions) {
    this.path = path;
    this.sizeBytes = sizeBytes;
    this.#live = live;
    this.#side = side;
    this.#space = space;
  }

  /**
   * A range of the file is about to change.
   * @returns undefined when it may at once; else it must wait. Never rejects: rather the view is lost
   */
  beforeChange(offset: number, length: number): Promise<void> | undefined {
    if (this.#space.broken !== undefined) return undefined;
    const [first, count] = this.#copied.run(offset, Math.min(length, this.sizeBytes - offset));
    if (count === 0 || this.#copied.hasAll([first, count])) return undefined;
    return this.#copyAll(first, count);
  }

  async #copyAll(first: number, count: number): Promise<void> {
    for (let block = first; block < first + count && this.#space.broken === undefined; block += MAX_COPY_BLOCKS) {
      const end = Math.min(first + count, block + MAX_COPY_BLOCKS);
      const copies = Array.from({ length: end - block }, async (_, index) => this.#copyOnce(block + index));
      await Promise.all(copies);
    }
  }

  #copyOnce(block: number): Promise<void> | undefined {
    if (this.#copied.has(block)) return undefined;
    const known = this.#copying.get(block);
    if (known !== undefined) return known;
    const copy = this.#copy(block).finally(() => this.#copying.delete(block));
    this.#copying.set(block, copy);
    return copy;
  }

  async #copy(block: number): Promise<void> {
    const offset = block * BLOCK_BYTES;
    const bytes = Buffer.allocUnsafe(Math.min(BLOCK_BYTES, this.sizeBytes - offset));
    try {
      await readWhole(this.#live, bytes, offset);
      // The side file is one hole at first.
      const isZero = bytes.equals(ZEROS.subarray(0, bytes.length));
      if (!isZero) {
        if (!this.#space.take(bytes.length)) return;
        for (let done = 0; done < bytes.length;) {
          done += (await this.#side.write(bytes, done, bytes.length - done, offset + done)).bytesWritten;
        }
      }
      this.#copied.add([block, 1]);
      if (this.#copied.isFull) this.#space.break('the file is too large');
    } catch (error) {
      this.#space.break(`a block could not be copied: ${messageOf(error)}`);
    }
  }

  /**
   * Fill `target` from `offset`, as far as the file goes.
   * @returns the number of bytes
   * @throws {UmbraError} IMAGE_CHANGED when the view is lost; IMAGE_FAILED
   */
  async read(target: Uint8Array, offset: number): Promise<number> {
    const wanted = target.subarray(0, Math.max(0, Math.min(target.length, this.sizeBytes - offset)));
    if (wanted.length === 0) return 0;
    try {
      await readWhole(this.#live, wanted, offset);
      this.#assertWhole();
      const [first, count] = this.#copied.run(offset, wanted.length);
      for (let block = first; block < first + count; block++) {
        if (!this.#copied.has(block)) continue;
        const from = Math.max(offset, block * BLOCK_BYTES);
        const to = Math.min(offset + wanted.length, (block + 1) * BLOCK_BYTES);
        await readWhole(this.#side, wanted.subarray(from - offset, to - offset), from);
      }
    } catch (error) {
      if (error instanceof UmbraError) throw error;
      throw new UmbraError('IMAGE_FAILED', `${this.path} cannot be read: ${messageOf(error)}`, { cause: error });
    }
    return wanted.length;
  }

  /**
   * The file's data, in blocks; everything else reads as zeros.
   * @throws {UmbraError} IMAGE_CHANGED when the view is lost
   */
  async extents(): Promise<readonly ByteRange[]> {
    const data = new BlockSet(BLOCK_BYTES);
    let looked = 0;
    for (let at = 0; at < this.sizeBytes;) {
      const start = seekData(this.#live.fd, at);
      if (start === undefined || start >= this.sizeBytes) break;
      // The file may have been cut in between.
      const end = (await this.#holeAfter(start)) ?? this.sizeBytes;
      data.add(data.run(start, end - start));
      at = end;
      if (++looked % EXTENTS_AT_ONCE === 0) await setImmediate();
    }
    // What became a hole meanwhile was copied before.
    data.addAll(this.#copied);
    this.#assertWhole();
    return [...data.ranges(this.sizeBytes)];
  }

  async #holeAfter(start: number): Promise<number | undefined> {
    try {
      return Math.max(start + 1, seekHole(this.#live.fd, start));
    } catch {
      return (await this.#live.stat()).size > start ? undefined : start + 1;
    }
  }

  #assertWhole(): void {
    if (this.#space.broken === undefined) return;
    throw new UmbraError('IMAGE_CHANGED', `the stable view of ${this.path} is lost: ${this.#space.broken}`, {
      hint: 'Give the filter more side space, or try again when the machine writes less.',
    });
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#copying.values());
    await Promise.allSettled([this.#live.close(), this.#side.close()]);
  }
}

/** What lies behind the end of the file is zeros. */
async function readWhole(handle: FileHandle, target: Uint8Array, offset: number): Promise<void> {
  for (let done = 0; done < target.length;) {
    const { bytesRead } = await handle.read(target, done, target.length - done, offset + done);
    if (bytesRead === 0) {
      target.fill(0, done);
      return;
    }
    done += bytesRead;
  }
}
