import { type ByteSource, lengthWithin, outside } from './byte-source.js';

/** Metadata is read in aligned units of this size: one decoded chunk of the store on average. */
export const UNIT_BYTES = 64 * 1024;

/**
 * After so many units that were in memory one is handed out a turn of the event loop later: who works through what a
 * hostile guest wrote never waits for a disk, and would keep all other requests waiting for seconds.
 */
const UNITS_A_TURN = 1024;

type Unit = Buffer | Promise<Buffer>;

/** Units of metadata of all file systems of a process, the least recently used thrown away. */
export class BlockCache {
  readonly #maxUnits: number;
  /** By source and unit, in the order of use, the latest last. */
  readonly #units = new Map<string, Unit>();
  #sources = 0;
  #hits = 0;

  constructor(maxBytes: number) {
    this.#maxUnits = Math.max(1, Math.floor(maxBytes / UNIT_BYTES));
  }

  /** How many units are kept. */
  get size(): number {
    return this.#units.size;
  }

  /** A reader of `source` that keeps what it reads here. */
  reader(source: ByteSource): MetadataReader {
    return new MetadataReader(source, this, ++this.#sources);
  }

  /** The unit of that key; `load` brings it when it is not here. */
  unit(key: string, load: () => number | Promise<number>, bytes: () => Buffer): Unit {
    const known = this.#units.get(key);
    if (known !== undefined) {
      this.#units.delete(key);
      this.#units.set(key, known);
      return known instanceof Promise || ++this.#hits % UNITS_A_TURN > 0 ? known : nextTurn(known);
    }
    return this.#load(key, load, bytes);
  }

  /** Forget what `reader` keeps here: its source is closed. */
  drop(reader: MetadataReader): void {
    for (const key of this.#units.keys()) if (key.startsWith(reader.prefix)) this.#units.delete(key);
  }

  #load(key: string, load: () => number | Promise<number>, bytes: () => Buffer): Unit {
    const read = load();
    if (typeof read === 'number') return this.#keep(key, bytes());
    const loading = read.then(
      () => {
        const unit = bytes();
        if (this.#units.get(key) === loading) this.#units.set(key, unit);
        return unit;
      },
      (error: unknown) => {
        if (this.#units.get(key) === loading) this.#units.delete(key);
        throw error;
      },
    );
    return this.#keep(key, loading);
  }

  #keep<U extends Unit>(key: string, unit: U): U {
    this.#units.set(key, unit);
    if (this.#units.size > this.#maxUnits) {
      for (const oldest of this.#units.keys()) {
        if (this.#units.size <= this.#maxUnits) break;
        this.#units.delete(oldest);
      }
    }
    return unit;
  }
}

function nextTurn(unit: Buffer): Promise<Buffer> {
  return new Promise((resolve) => {
    setImmediate(resolve, unit);
  });
}

/** Reads the metadata of one file system: small pieces, often the same ones again. File contents go past it. */
export class MetadataReader {
  readonly source: ByteSource;
  readonly prefix: string;
  readonly #cache: BlockCache;

  /** Made by {@link BlockCache.reader}. */
  constructor(source: ByteSource, cache: BlockCache, id: number) {
    this.source = source;
    this.prefix = `${id}:`;
    this.#cache = cache;
  }

  get sizeBytes(): number {
    return this.source.sizeBytes;
  }

  /**
   * `length` bytes from `offset`: a view of the cache if they lie in one unit, so they must not be changed; at once if
   * they are in memory.
   * @throws {UmbraError} FILESYSTEM_DAMAGED when they do not all lie in the source, STORE_DAMAGED
   */
  get(offset: number, length: number): Buffer | Promise<Buffer> {
    if (!Number.isSafeInteger(offset) || lengthWithin(this.sizeBytes, length, offset) < length) {
      throw outside(this.source, offset, length);
    }
    const first = Math.floor(offset / UNIT_BYTES);
    const start = offset - first * UNIT_BYTES;
    if (start + length > UNIT_BYTES) return this.#join(offset, length);
    const unit = this.#unit(first);
    if (unit instanceof Promise) return unit.then((bytes) => bytes.subarray(start, start + length));
    return unit.subarray(start, start + length);
  }

  async #join(offset: number, length: number): Promise<Buffer> {
    const joined = Buffer.allocUnsafe(length);
    for (let done = 0; done < length;) {
      const at = offset + done;
      const index = Math.floor(at / UNIT_BYTES);
      const start = at - index * UNIT_BYTES;
      const part = Math.min(length - done, UNIT_BYTES - start);
      (await this.#unit(index)).copy(joined, done, start, start + part);
      done += part;
    }
    return joined;
  }

  #unit(index: number): Unit {
    const offset = index * UNIT_BYTES;
    let bytes: Buffer | undefined;
    const target = (): Buffer => (bytes ??= Buffer.allocUnsafeSlow(Math.min(UNIT_BYTES, this.sizeBytes - offset)));
    return this.#cache.unit(this.prefix + String(index), () => this.source.read(target(), offset), target);
  }
}
