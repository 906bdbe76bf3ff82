import { toHex } from '../codec/digest.js';
import { ObjectType } from '../codec/formats.js';
import { decodeFrame, FrameError } from '../codec/frame.js';
import { isUmbraError, UmbraError } from '../common/errors.js';
import { MOST_OBJECTS, type ObjectKind } from '../protocol/objects-api.js';
import { ByteCache } from '../store/byte-cache.js';
import { damaged, type FrameResult, type ObjectReader } from '../store/object-reader.js';
import type { ObjectClient } from './object-client.js';
import { brokenOff, patiently, type Patience } from './patience.js';
import { Batches } from './batches.js';
import type { RemoteLeases } from './remote-leases.js';

/** Nodes of volume trees that are kept. */
const NODE_CACHE_BYTES = 16 * 1024 * 1024;

const KINDS: Partial<Record<ObjectType, ObjectKind>> = {
  [ObjectType.inner]: 'inner',
  [ObjectType.leaf]: 'leaf',
  [ObjectType.chunk]: 'chunk',
};

export interface RemoteReaderOptions {
  readonly client: ObjectClient;
  readonly leases: RemoteLeases;
  readonly patience: Patience;
}

/**
 * Reads the objects of shadow copies that are leased from a server elsewhere. What is wrong is found by its digest, as in a store
 * of this machine; when the connection is lost, what is missing is asked for again on another one.
 */
export class RemoteReader implements ObjectReader {
  readonly #options: RemoteReaderOptions;
  readonly #nodes = new ByteCache<Buffer>(NODE_CACHE_BYTES);
  readonly #batches: Batches;

  constructor(options: RemoteReaderOptions) {
    this.#options = options;
    this.#batches = new Batches((kind, digests) => this.#frames(kind, digests));
  }

  async read(type: ObjectType, digest: Uint8Array): Promise<Buffer> {
    const key = `${type} ${toHex(digest)}`;
    const cached = this.#nodes.get(key);
    if (cached !== undefined) return cached;
    const result = await this.#batches.read(kindOf(type), digest);
    const plain = 'frame' in result ? decode(result.frame, type, digest) : result;
    if ('fault' in plain) throw await this.reportDamage(type, digest, plain.fault);
    if (type !== ObjectType.chunk) this.#nodes.set(key, plain.plain);
    return plain.plain;
  }

  async readFrames(type: ObjectType, digests: readonly Uint8Array[]): Promise<FrameResult[]> {
    const parts: Promise<FrameResult[]>[] = [];
    for (let first = 0; first < digests.length; first += MOST_OBJECTS) {
      parts.push(this.#frames(kindOf(type), digests.slice(first, first + MOST_OBJECTS)));
    }
    return (await Promise.all(parts)).flat();
  }

  has(): Promise<boolean[]> {
    return Promise.reject(new UmbraError('INTERNAL', 'what a server elsewhere has is not asked for'));
  }

  async reportDamage(type: ObjectType, digest: Uint8Array, reason: string): Promise<UmbraError> {
    const { broken } = this.#options.leases;
    if (broken !== undefined) return broken;
    const [again] = await this.#frames(kindOf(type), [digest], true);
    if (again === undefined || 'fault' in again) return damaged(type, digest, again?.fault ?? reason);
    const plain = decode(again.frame, type, digest);
    const right = 'the server says that it is right there; check the memory of both machines';
    return damaged(
      type,
      digest,
      'fault' in plain ? `what the server sends is not it: ${plain.fault}` : `${reason}, but ${right}`,
    );
  }

  /** No more than go into one request. What came before a connection was lost is kept. */
  async #frames(kind: ObjectKind, digests: readonly Uint8Array[], checked = false): Promise<FrameResult[]> {
    const { client, leases, patience } = this.#options;
    const results: FrameResult[] = [];
    await patiently(async () => {
      const session = await leases.session();
      try {
        const left = digests.slice(results.length);
        await client.read({ session, kind, digests: left, ...(checked ? { checked } : {}) }, (result) =>
          results.push(result),
        );
      } catch (error) {
        // Without any lease that is left nothing may be read.
        if (isUmbraError(error, 'FORBIDDEN')) throw leases.broken ?? error;
        if (!isUmbraError(error, 'NOT_FOUND')) throw error;
        await leases.lost(session);
        throw brokenOff();
      }
    }, patience);
    return results;
  }
}

function decode(
  frame: Uint8Array,
  type: ObjectType,
  digest: Uint8Array,
): { readonly plain: Buffer } | { readonly fault: string } {
  try {
    return { plain: decodeFrame(frame, { type, digest }) };
  } catch (error) {
    if (error instanceof FrameError) return { fault: error.message };
    throw error;
  }
}

function kindOf(type: ObjectType): ObjectKind {
  const kind = KINDS[type];
  if (kind !== undefined) return kind;
  throw new UmbraError('INTERNAL', `objects of type ${type} are not read from servers elsewhere`);
}
