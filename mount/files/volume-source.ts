import type { Clock } from '../../src/common/clock.js';
import { type ByteSource, lengthWithin, type Location } from '../blocks/byte-source.js';
import type { VolumeReader } from '../source.js';

/** A volume that nobody reads from is closed after this time: only while it is open its data is kept from collection. */
export const IDLE_MS = 10_000;

export interface VolumeSourceOptions {
  readonly name: string;
  readonly sizeBytes: number;
  /** See ShadowCopyView.lookInto. */
  readonly open: () => Promise<VolumeReader>;
  readonly clock: Clock;
}

/**
 * A volume as file systems see it: opened by the first read, closed when nobody has read from it for {@link IDLE_MS},
 * and opened again by the next read, if the shadow copy is still there.
 */
export class VolumeSource implements ByteSource {
  readonly name: string;
  readonly sizeBytes: number;
  readonly #options: VolumeSourceOptions;
  #open: OpenVolume | undefined;
  #opening: Promise<OpenVolume> | undefined;

  constructor(options: VolumeSourceOptions) {
    this.name = options.name;
    this.sizeBytes = options.sizeBytes;
    this.#options = options;
  }

  read(target: Uint8Array, offset: number): number | Promise<number> {
    const length = lengthWithin(this.sizeBytes, target.length, offset);
    if (length === 0) return 0;
    const part = length === target.length ? target : target.subarray(0, length);
    if (this.#open !== undefined) return this.#open.read(part, offset);
    this.#opening ??= this.#openNow();
    return this.#opening.then((open) => open.read(part, offset));
  }

  /** See VolumeReader.willRead; nothing while it is closed. */
  willRead(offset: number, length: number): void {
    this.#open?.willRead(offset, length);
  }

  locate(offset: number, length: number): readonly Location[] {
    return length === 0 ? [] : [{ volume: this.name, offset, length }];
  }

  /** Close it as soon as what is under way is read; the next read opens it again. */
  async close(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    await open?.close();
  }

  async #openNow(): Promise<OpenVolume> {
    try {
      const open = new OpenVolume(await this.#options.open(), this.#options.clock, () => {
        if (this.#open === open) this.#open = undefined;
      });
      this.#open = open;
      return open;
    } finally {
      this.#opening = undefined;
    }
  }
}

class OpenVolume {
  readonly #reader: VolumeReader;
  readonly #clock: Clock;
  readonly #onIdle: () => void;
  /** How many are under way: they keep it open. */
  #reads = 0;
  #lastReadMs: number;
  #stopTimer: () => void;
  #closing = false;

  constructor(reader: VolumeReader, clock: Clock, onIdle: () => void) {
    this.#reader = reader;
    this.#clock = clock;
    this.#onIdle = onIdle;
    this.#lastReadMs = clock.monotonic();
    this.#stopTimer = this.#watch(IDLE_MS);
  }

  read(target: Uint8Array, offset: number): number | Promise<number> {
    this.#lastReadMs = this.#clock.monotonic();
    const read = this.#reader.read(target, offset);
    return typeof read === 'number' ? read : this.#counted(read);
  }

  willRead(offset: number, length: number): void {
    this.#reader.willRead?.(offset, length);
  }

  async close(): Promise<void> {
    this.#stopTimer();
    this.#closing = true;
    if (this.#reads === 0) await this.#reader.close();
  }

  async #counted(read: Promise<number>): Promise<number> {
    this.#reads++;
    try {
      return await read;
    } finally {
      this.#reads--;
      this.#lastReadMs = this.#clock.monotonic();
      if (this.#closing && this.#reads === 0) await this.#reader.close();
    }
  }

  #watch(delayMs: number): () => void {
    return this.#clock.after(delayMs, () => {
      const idleMs = this.#reads > 0 ? 0 : this.#clock.monotonic() - this.#lastReadMs;
      if (idleMs < IDLE_MS) {
        this.#stopTimer = this.#watch(IDLE_MS - idleMs);
        return;
      }
      this.#onIdle();
      void this.close();
    });
  }
}
