import { FRAME } from '../../src/codec/formats.js';
import { UmbraError } from '../../src/common/errors.js';
import { objectName, objectRange, sequenceOfObjectKey } from '../../src/store/keys.js';
import type { KvOperation, KvRange, KvStore } from '../../src/store/kv.js';
import { openPowerCutKv, type PowerCutKv } from '../../test/kit/power-cut-kv.js';
import type { Random } from '../../test/kit/random.js';
import type { WorldClock } from './world-clock.js';

const LOG_BYTES = 32 * 1024;
const MINUTE_MS = 60_000;
/** Of the calls that have to wait for the disk. */
const SLOW = 0.08;

/** One life of a server, as its disk knows it: it ends at a write. */
export interface Writer {
  isAlive: boolean;
  /** Writes until it dies; Infinity for never. */
  writesLeft: number;
  /** It is gone, with all that it did. */
  readonly die: () => void;
}

export type Database = 'objects' | 'meta';

export interface DiskOptions {
  readonly clock: WorldClock;
  readonly random: Random;
  /** Told of a sequence number that is not above all that were used before. */
  readonly reused: (sequence: number) => void;
}

/** The disk of a server: two databases that forget what was not synced when the power is cut, and that can be full. */
export class SimDisk {
  isFull = false;
  /** Writes that failed on a full disk. */
  refused = 0;
  readonly #options: DiskOptions;
  #objects: PowerCutKv;
  #meta: PowerCutKv;
  #reserve = 0;
  #highest = -1;

  constructor(options: DiskOptions) {
    this.#options = options;
    const { random } = options;
    this.#objects = openPowerCutKv({ random, logBytes: LOG_BYTES });
    this.#meta = openPowerCutKv({ random, logBytes: LOG_BYTES });
  }

  /** As a process has them. */
  open(writer: Writer): { readonly objects: KvStore; readonly meta: KvStore } {
    return { objects: new SimKv(this, 'objects', writer), meta: new SimKv(this, 'meta', writer) };
  }

  /** What is on it, without waiting and without a process. */
  get raw(): { readonly objects: KvStore; readonly meta: KvStore } {
    return { objects: this.#objects, meta: this.#meta };
  }

  of(database: Database): PowerCutKv {
    return database === 'objects' ? this.#objects : this.#meta;
  }

  cutPower(): void {
    this.#objects = this.#objects.powerCut();
    this.#meta = this.#meta.powerCut();
  }

  /** What is kept free for deleting, and for opening databases, is there for `work`. */
  async spendReserve<T>(work: () => Promise<T>): Promise<T> {
    this.#reserve += 1;
    try {
      return await work();
    } finally {
      this.#reserve -= 1;
    }
  }

  /** A process that died gives it back. */
  resetReserve(): void {
    this.#reserve = 0;
  }

  get isRefusing(): boolean {
    return this.isFull && this.#reserve === 0;
  }

  /** Damage an object at random. @returns its name and type; undefined if there is none of these types */
  async damage(types: readonly number[]): Promise<string | undefined> {
    const { random } = this.#options;
    const found: Uint8Array[] = [];
    for await (const [key, frame] of this.#objects.entries(objectRange)) {
      if (types.includes(typeOf(frame))) found.push(key);
    }
    const key = found[random.below(Math.max(1, found.length))];
    const frame = key && (await this.#objects.get(key));
    if (key === undefined || frame === undefined) return undefined;
    const damaged = Buffer.from(frame);
    const at = damaged.length - 1 - random.below(Math.max(1, damaged.length - FRAME.headerBytes));
    damaged[at] = (damaged[at] ?? 0) ^ (1 << random.below(8));
    await this.#objects.write([{ type: 'put', key, value: damaged }], { sync: true });
    return nameOf(frame);
  }

  pause(leastMs: number, mostMs: number): Promise<void> | undefined {
    const { random, clock } = this.#options;
    return random.chance(SLOW) ? clock.wait(random.between(leastMs, mostMs)) : undefined;
  }

  /** Compacting takes as long as the disk of a fleet is large: mostly hours. */
  compacting(): Promise<void> {
    const { random, clock } = this.#options;
    return clock.wait(random.between(10, 720) * MINUTE_MS);
  }

  chance(probability: number): boolean {
    return this.#options.random.chance(probability);
  }

  noteObjects(operations: readonly KvOperation[]): void {
    for (const { type, key } of operations) {
      const sequence = type === 'put' ? sequenceOfObjectKey(key) : undefined;
      if (sequence === undefined) continue;
      if (sequence <= this.#highest) this.#options.reused(sequence);
      this.#highest = Math.max(this.#highest, sequence);
    }
  }
}

/** A database as a process has it: calls take time, and never end in a process that is gone. */
class SimKv implements KvStore {
  readonly #disk: SimDisk;
  readonly #database: Database;
  readonly #writer: Writer;

  constructor(disk: SimDisk, database: Database, writer: Writer) {
    this.#disk = disk;
    this.#database = database;
    this.#writer = writer;
  }

  get #inner(): PowerCutKv {
    return this.#disk.of(this.#database);
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    await this.#alive();
    return await this.#inner.get(key);
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    await this.#alive();
    const values = await this.#inner.getMany(keys);
    await this.#disk.pause(1, 50);
    await this.#alive();
    return values;
  }

  entries(range?: KvRange): AsyncIterable<readonly [key: Uint8Array, value: Uint8Array]> {
    return this.#slowly(() => this.#inner.entries(range));
  }

  keys(range?: KvRange): AsyncIterable<Uint8Array> {
    return this.#slowly(() => this.#inner.keys(range));
  }

  /** Many entries take time. Nothing is between that takes turns: collecting goes through all of them several times. */
  #slowly<T>(open: () => AsyncIterable<T>): AsyncIterable<T> {
    return {
      [Symbol.asyncIterator]: () => {
        let inner: AsyncIterator<T> | undefined;
        let count = 0;
        const slow = async (from: AsyncIterator<T>): Promise<IteratorResult<T>> => {
          await this.#disk.pause(1, 5 * MINUTE_MS);
          await this.#alive();
          return await from.next();
        };
        return {
          next: () => {
            if (!this.#writer.isAlive) return never();
            inner ??= open()[Symbol.asyncIterator]();
            return (count += 1) % 1000 === 0 ? slow(inner) : inner.next();
          },
        };
      },
    };
  }

  async write(operations: readonly KvOperation[], { sync }: { readonly sync: boolean }): Promise<void> {
    await this.#alive();
    if (sync) await this.#disk.pause(1, 2000);
    await this.#alive();
    if (this.#disk.isRefusing && operations.some(({ type }) => type === 'put')) await this.#refuse(operations);
    if (this.#database === 'objects') this.#disk.noteObjects(operations);
    this.#writer.writesLeft -= 1;
    const dies = this.#writer.writesLeft <= 0;
    if (!dies || this.#disk.chance(0.5)) await this.#inner.write(operations, { sync });
    // Nobody is there any more to hear of it.
    if (dies) this.#writer.die();
    await this.#alive();
  }

  async flush(): Promise<void> {
    await this.#alive();
    await this.#disk.pause(1, 2000);
    await this.#alive();
    if (this.#disk.isRefusing) throw full();
    await this.#inner.flush();
  }

  async compact(start: Uint8Array, end: Uint8Array): Promise<void> {
    await this.#alive();
    await this.#disk.compacting();
    await this.#alive();
    await this.#inner.compact(start, end);
  }

  async diskBytes(): Promise<number> {
    await this.#alive();
    return await this.#inner.diskBytes();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #refuse(operations: readonly KvOperation[]): Promise<never> {
    this.#disk.refused += 1;
    // A batch whose write failed may turn out to be there.
    if (this.#disk.chance(0.1)) {
      if (this.#database === 'objects') this.#disk.noteObjects(operations);
      await this.#inner.write(operations, { sync: true });
    }
    throw full();
  }

  /** Nothing goes on in a process that is gone. */
  #alive(): Promise<void> | undefined {
    return this.#writer.isAlive ? undefined : never();
  }
}

function never<T>(): Promise<T> {
  return new Promise(() => undefined);
}

/** What is in a frame as its header says, which may be damaged, and nobody checks it here. */
export function nameOf(frame: Uint8Array): string {
  return objectName(typeOf(frame), frame.subarray(16, 48));
}

function typeOf(frame: Uint8Array): number {
  return frame[13] ?? 0;
}

function full(): UmbraError {
  return new UmbraError('STORE_FULL', 'the disk is full');
}
