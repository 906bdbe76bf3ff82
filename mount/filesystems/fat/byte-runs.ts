import { type ClusterChain } from './cluster-chain.js';
import { FIRST_CLUSTER } from './cluster-table.js';

/** Bytes that follow each other on the volume. */
export interface ByteRun {
  /** In the volume. */
  readonly offset: number;
  readonly length: number;
}

/** Where the bytes of a file or directory stand. */
export interface ByteRuns {
  /**
   * Where the bytes from `offset` stand, no more than `most`; undefined after the end; at once if that is known.
   * @throws {UmbraError} FILESYSTEM_DAMAGED, STORE_DAMAGED
   */
  run(offset: number, most: number): ByteRun | undefined | Promise<ByteRun | undefined>;
  /** How many bytes there are. */
  length(): number | Promise<number>;
}

/** How the clusters lie on the volume. */
export interface ClusterGeometry {
  readonly clusterBytes: number;
  /** Where the first one begins. */
  readonly heapOffset: number;
}

/** The bytes of a chain of clusters. */
export class ClusterBytes implements ByteRuns {
  readonly #chain: ClusterChain;
  readonly #geometry: ClusterGeometry;

  constructor(chain: ClusterChain, geometry: ClusterGeometry) {
    this.#chain = chain;
    this.#geometry = geometry;
  }

  run(offset: number, most: number): ByteRun | undefined | Promise<ByteRun | undefined> {
    const { clusterBytes, heapOffset } = this.#geometry;
    const place = Math.floor(offset / clusterBytes);
    const skip = offset - place * clusterBytes;
    const found = this.#chain.run(place, Math.ceil((skip + most) / clusterBytes));
    const bytes = (run: Awaited<typeof found>): ByteRun | undefined =>
      run && {
        offset: heapOffset + (run.cluster - FIRST_CLUSTER) * clusterBytes + skip,
        length: Math.min(most, run.count * clusterBytes - skip),
      };
    return found instanceof Promise ? found.then(bytes) : bytes(found);
  }

  async length(): Promise<number> {
    return (await this.#chain.length()) * this.#geometry.clusterBytes;
  }
}

/** Bytes in one piece: the root directory of FAT12 and FAT16. */
export class FixedBytes implements ByteRuns {
  readonly #offset: number;
  readonly #length: number;

  constructor(offset: number, length: number) {
    this.#offset = offset;
    this.#length = length;
  }

  run(offset: number, most: number): ByteRun | undefined {
    const length = Math.min(most, this.#length - offset);
    return length <= 0 ? undefined : { offset: this.#offset + offset, length };
  }

  length(): number {
    return this.#length;
  }
}

/** The first bytes of others. */
export class LimitedBytes implements ByteRuns {
  readonly #runs: ByteRuns;
  readonly #length: number;

  constructor(runs: ByteRuns, length: number) {
    this.#runs = runs;
    this.#length = length;
  }

  run(offset: number, most: number): ByteRun | undefined | Promise<ByteRun | undefined> {
    const length = Math.min(most, this.#length - offset);
    return length <= 0 ? undefined : this.#runs.run(offset, length);
  }

  length(): number {
    return this.#length;
  }
}
