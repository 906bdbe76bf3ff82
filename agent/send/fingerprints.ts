import { open, readFile, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { digestOf, sameBytes, toHex } from '../../src/codec/digest.js';
import { systemCode } from '../../src/common/errors.js';
import { makeDirectories } from '../../src/system/make-directory.js';
import { syncDirectory } from '../../src/system/sync-directory.js';
import { RegionDigests } from './region-digests.js';

/** Of what the fingerprints are. */
export interface FingerprintOf {
  /** The root digest of the volume's tree, in hex: it names all that is below it, whatever shadow copy or store that is in. */
  readonly root: string;
  readonly sizeBytes: number;
}

/** Of the first version, which had a digest for each region of a hole too, there are none: everything is compared once more. */
const MAGIC = 'umbra fingerprints 2\n';
/** The head is JSON, padded. */
const HEAD_BYTES = 4096;

/**
 * The agent's own record of what the server has of a volume: for each region the digest of its leaf, zeros for a hole. A region
 * whose leaf is the same need not be sent. The file has a digest of itself: one that is torn or of something else counts as none.
 */
export class Fingerprints {
  readonly #digests: RegionDigests;

  private constructor(digests: RegionDigests) {
    this.#digests = digests;
  }

  /** @returns undefined when there are none, or not of this */
  static async read(file: string, of: FingerprintOf): Promise<Fingerprints | undefined> {
    const bytes = await readFile(file).catch(ifMissing);
    if (bytes === undefined || bytes.length < HEAD_BYTES) return undefined;
    const body = bytes.subarray(HEAD_BYTES);
    if (!sameBytes(bytes.subarray(0, HEAD_BYTES), headOf(of, body))) return undefined;
    const digests = RegionDigests.decode(body);
    return digests && new Fingerprints(digests);
  }

  /** The digest of a region's leaf; zeros for a hole. */
  leaf(region: number): Uint8Array {
    return this.#digests.get(region);
  }

  /** The regions from `from` on and before `end` that are no holes, in order. */
  regions(from: number, end: number): Iterable<number> {
    return this.#digests.regions(from, end);
  }
}

/** Writes fingerprints beside those that there are, and puts them in their place when the server has all. */
export class FingerprintWriter {
  readonly #file: string;
  readonly #handle: FileHandle;
  readonly #digests = new RegionDigests();

  private constructor(file: string, handle: FileHandle) {
    this.#file = file;
    this.#handle = handle;
  }

  static async open(file: string): Promise<FingerprintWriter> {
    await makeDirectories(dirname(file));
    const handle = await open(`${file}.new`, 'w', 0o600);
    return new FingerprintWriter(file, handle);
  }

  /** @param leaf undefined for a hole */
  set(region: number, leaf: Uint8Array | undefined): void {
    this.#digests.set(region, leaf);
  }

  /** The server has made a shadow copy of what was set. */
  async finish(of: FingerprintOf): Promise<void> {
    try {
      const body = this.#digests.encode();
      await this.#handle.writeFile(headOf(of, body));
      await this.#handle.writeFile(body);
      await this.#handle.sync();
    } finally {
      await this.#handle.close();
    }
    await rename(`${this.#file}.new`, this.#file);
    await syncDirectory(dirname(this.#file));
  }

  async giveUp(): Promise<void> {
    await this.#handle.close();
    await rm(`${this.#file}.new`, { force: true });
  }
}

function headOf({ root, sizeBytes }: FingerprintOf, body: Buffer): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  const check = toHex(digestOf(body));
  head.write(`${MAGIC}${JSON.stringify({ root, sizeBytes, check })}\n`);
  return head;
}

function ifMissing(error: unknown): undefined {
  if (systemCode(error) === 'ENOENT') return undefined;
  throw error;
}
