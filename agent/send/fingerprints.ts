import { open, readFile, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { digestOf, EMPTY_DIGEST, sameBytes, toHex } from '../../src/codec/digest.js';
import { DIGEST_BYTES, REGION_BYTES } from '../../src/codec/formats.js';
import { systemCode } from '../../src/common/errors.js';
import { makeDirectories } from '../../src/system/make-directory.js';
import { syncDirectory } from '../../src/system/sync-directory.js';

/** Of what the fingerprints are. */
export interface FingerprintOf {
  /** The root digest of the volume's tree, in hex: it names all that is below it, whatever shadow copy or store that is in. */
  readonly root: string;
  readonly sizeBytes: number;
}

const MAGIC = 'umbra fingerprints 1\n';
/** The head is JSON, padded. */
const HEAD_BYTES = 4096;

/**
 * The agent's own record of what the server has of a volume: for each region the digest of its leaf, zeros for a hole. A region
 * whose leaf is the same need not be sent. The file has a digest of itself: one that is torn or of something else counts as none.
 */
export class Fingerprints {
  readonly #digests: Buffer;

  private constructor(digests: Buffer) {
    this.#digests = digests;
  }

  /** @returns undefined when there are none, or not of this */
  static async read(file: string, of: FingerprintOf): Promise<Fingerprints | undefined> {
    const bytes = await readFile(file).catch(ifMissing);
    if (bytes?.length !== HEAD_BYTES + regionsOf(of) * DIGEST_BYTES) return undefined;
    const digests = bytes.subarray(HEAD_BYTES);
    return sameBytes(bytes.subarray(0, HEAD_BYTES), headOf(of, digests)) ? new Fingerprints(digests) : undefined;
  }

  /** The digest of a region's leaf; zeros for a hole. */
  leaf(region: number): Uint8Array {
    return this.#digests.subarray(region * DIGEST_BYTES, (region + 1) * DIGEST_BYTES);
  }
}

/** Writes fingerprints beside those that there are, and puts them in their place when the server has all. */
export class FingerprintWriter {
  readonly #file: string;
  readonly #handle: FileHandle;
  readonly #digests: Buffer;

  private constructor(file: string, handle: FileHandle, digests: Buffer) {
    this.#file = file;
    this.#handle = handle;
    this.#digests = digests;
  }

  static async open(file: string, sizeBytes: number): Promise<FingerprintWriter> {
    await makeDirectories(dirname(file));
    const handle = await open(`${file}.new`, 'w', 0o600);
    return new FingerprintWriter(file, handle, Buffer.alloc(regionsOf({ sizeBytes }) * DIGEST_BYTES));
  }

  /** @param leaf undefined for a hole */
  set(region: number, leaf: Uint8Array | undefined): void {
    this.#digests.set(leaf ?? EMPTY_DIGEST, region * DIGEST_BYTES);
  }

  /** The server has made a shadow copy of what was set. */
  async finish(of: FingerprintOf): Promise<void> {
    try {
      await this.#handle.writeFile(Buffer.concat([headOf(of, this.#digests), this.#digests]));
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

function regionsOf({ sizeBytes }: Pick<FingerprintOf, 'sizeBytes'>): number {
  return Math.ceil(sizeBytes / REGION_BYTES);
}

function headOf({ root, sizeBytes }: FingerprintOf, digests: Buffer): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  const check = toHex(digestOf(digests));
  head.write(`${MAGIC}${JSON.stringify({ root, sizeBytes, check })}\n`);
  return head;
}

function ifMissing(error: unknown): undefined {
  if (systemCode(error) === 'ENOENT') return undefined;
  throw error;
}
