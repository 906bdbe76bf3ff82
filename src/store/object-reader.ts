import type { ObjectType } from '../codec/formats.js';
import { ObjectType as Types } from '../codec/formats.js';
import { decodeFrame, FrameError, type ObjectName } from '../codec/frame.js';
import { openStored, type FrameSeal } from '../codec/frame-seal.js';
import { toHex } from '../codec/digest.js';
import { isUmbraError, messageOf, UmbraError } from '../common/errors.js';
import { ByteCache } from './byte-cache.js';
import { findSequences } from './object-index.js';
import { objectKey, objectName } from './keys.js';
import type { KvReader } from './kv.js';

/** A stored frame, or why there is none. */
export type FrameResult = { readonly frame: Uint8Array } | { readonly fault: string };

/** Reads objects by their names. The lowest rung of the ladder: it can't write or delete. */
export interface ObjectReader {
  /**
   * The plain bytes of an object, checked. Tree nodes and records come from a cache; don't change what you get.
   * @throws {UmbraError} STORE_DAMAGED, naming the object
   */
  read(type: ObjectType, digest: Uint8Array): Promise<Buffer>;
  /** The frames of many objects, as they are stored (sealed, if they are) and not yet checked, in order. */
  readFrames(type: ObjectType, digests: readonly Uint8Array[]): Promise<FrameResult[]>;
  /** Which objects are in the index. */
  has(type: ObjectType, digests: readonly Uint8Array[]): Promise<boolean[]>;
  /** Say that an object was found damaged: it is looked at once more, and quarantined if it is so. */
  reportDamage(type: ObjectType, digest: Uint8Array, reason: string): Promise<UmbraError>;
}

/** Reads many at once: a question to LevelDB takes 0.1 ms, whatever it asks for. */
export interface BulkReader extends ObjectReader {
  /** As {@link ObjectReader.read}, in order: each, or why it can't be read. */
  readMany(type: ObjectType, digests: readonly Uint8Array[]): Promise<(Buffer | UmbraError)[]>;
}

const KIND: Readonly<Record<ObjectType, string>> = {
  [Types.chunk]: 'chunk',
  [Types.leaf]: 'leaf',
  [Types.inner]: 'node',
  [Types.record]: 'record',
  [Types.tombstone]: 'tombstone',
  [Types.settings]: 'settings copy',
};

/** The word for an object type in messages and `--json`. */
export function kindOf(type: ObjectType): string {
  return KIND[type];
}

/** The error for an object that can't be read. */
export function damaged(type: ObjectType, digest: Uint8Array, reason: string): UmbraError {
  const heals = 'the next backup that holds the same content heals it';
  const remedy = type === Types.record ? '"umbra forget" deletes what is left of the shadow copy' : heals;
  return new UmbraError('STORE_DAMAGED', `${kindOf(type)} ${toHex(digest)} cannot be read: ${reason}`, {
    hint: `Run "umbra verify" to see what it concerns; ${remedy}.`,
  });
}

export interface ObjectReaderOptions {
  readonly objects: KvReader;
  readonly meta: KvReader;
  /** Of an encrypted store. */
  readonly seal: FrameSeal | undefined;
  readonly nodeCacheBytes: number;
  /** Takes the object with this sequence number out of the index; without one it was not there. */
  readonly quarantine: (object: {
    readonly type: ObjectType;
    readonly digest: Uint8Array;
    readonly sequence: number | undefined;
    readonly reason: string;
  }) => Promise<void>;
}

export class StoredObjectReader implements BulkReader {
  readonly #options: ObjectReaderOptions;
  readonly #cache: ByteCache<Buffer>;
  #frames = 0;

  constructor(options: ObjectReaderOptions) {
    this.#options = options;
    this.#cache = new ByteCache(options.nodeCacheBytes);
  }

  /** How many frames were asked for. */
  get frames(): number {
    return this.#frames;
  }

  async read(type: ObjectType, digest: Uint8Array): Promise<Buffer> {
    const [plain] = await this.readMany(type, [digest]);
    if (Buffer.isBuffer(plain)) return plain;
    throw plain ?? (await this.reportDamage(type, digest, 'missing'));
  }

  async readMany(type: ObjectType, digests: readonly Uint8Array[]): Promise<(Buffer | UmbraError)[]> {
    const cached = digests.map((digest) => this.#cache.get(objectName(type, digest)));
    const missing = digests.filter((_, index) => cached[index] === undefined);
    const results = missing.length === 0 ? [] : await this.readFrames(type, missing);
    const read: (Buffer | UmbraError)[] = [];
    for (const [index, digest] of missing.entries()) read.push(await this.#decode(type, digest, results[index]));
    let next = 0;
    return cached.flatMap((plain) => plain ?? read[next++] ?? []);
  }

  async #decode(
    type: ObjectType,
    digest: Uint8Array,
    result: FrameResult = { fault: 'missing' },
  ): Promise<Buffer | UmbraError> {
    const plain = 'fault' in result ? result : tryDecode(result.frame, { type, digest }, this.#options.seal);
    if (!Buffer.isBuffer(plain)) return await this.reportDamage(type, digest, plain.fault);
    if (type !== Types.chunk) this.#cache.set(objectName(type, digest), plain);
    return plain;
  }

  async readFrames(type: ObjectType, digests: readonly Uint8Array[]): Promise<FrameResult[]> {
    this.#frames += digests.length;
    const { objects, meta } = this.#options;
    const sequences = await findSequences(meta, type, digests);
    const keys = sequences.flatMap((sequence) => (sequence === undefined ? [] : [objectKey(sequence)]));
    const values = await readEach(objects, keys);
    let next = 0;
    return sequences.map((sequence) => {
      if (sequence === undefined) return { fault: 'it is not in the index' };
      const value = values[next++];
      if (value instanceof Error) return { fault: messageOf(value) };
      return value === undefined ? { fault: 'its record is missing' } : { frame: value };
    });
  }

  async has(type: ObjectType, digests: readonly Uint8Array[]): Promise<boolean[]> {
    return (await findSequences(this.#options.meta, type, digests)).map((sequence) => sequence !== undefined);
  }

  async reportDamage(type: ObjectType, digest: Uint8Array, reason: string): Promise<UmbraError> {
    const { objects, meta, seal, quarantine } = this.#options;
    const [sequence] = await findSequences(meta, type, [digest]);
    if (sequence !== undefined) {
      const [again] = await readEach(objects, [objectKey(sequence)]);
      if (again instanceof Uint8Array && Buffer.isBuffer(tryDecode(again, { type, digest }, seal))) {
        return damaged(
          type,
          digest,
          `${reason}, but it is right when read again; check this machine's memory and disks`,
        );
      }
    }
    await quarantine({ type, digest, sequence, reason });
    this.#cache.delete(objectName(type, digest));
    return damaged(type, digest, reason);
  }
}

function tryDecode(
  stored: Uint8Array,
  expected: ObjectName,
  seal: FrameSeal | undefined,
): Buffer | { readonly fault: string } {
  try {
    return decodeFrame(openStored(stored, seal), expected);
  } catch (error) {
    if (error instanceof FrameError) return { fault: error.message };
    throw error;
  }
}

/** As getMany; where a damaged table makes that fail as a whole, each key by itself, so that one bad record costs no others. */
async function readEach(objects: KvReader, keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined | Error)[]> {
  try {
    return await objects.getMany(keys);
  } catch (error) {
    if (!isUmbraError(error, 'STORE_DAMAGED')) throw error;
  }
  const values: (Uint8Array | undefined | Error)[] = [];
  for (const key of keys) {
    try {
      values.push(await objects.get(key));
    } catch (error) {
      if (!isUmbraError(error, 'STORE_DAMAGED')) throw error;
      values.push(error);
    }
  }
  return values;
}
