import type { Clock } from '../../src/common/clock.js';
import type { ByteRange, Consistency, ImageFormat } from '../../src/protocol/api.js';

/**
 * An open disk image: the virtual disk's size and content, whatever file format holds it.
 * Opening it takes the locks that keep other programs from writing, where there are such.
 */
export interface DiskImage {
  readonly path: string;
  readonly format: ImageFormat;
  /** The virtual size, any number of bytes. */
  readonly sizeBytes: number;
  /** `offline` when nothing had the image open for writing; else `crash`. */
  readonly consistency: Consistency;
  /**
   * A file descriptor from which any thread may `pread` the virtual disk's bytes, for raw images;
   * undefined where {@link read} is the only way.
   */
  readonly fd: number | undefined;
  /**
   * Names the content of the image without reading it: equal strings from two openings mean an
   * unchanged image. Undefined where that can't be known (block devices, a file written a moment ago).
   */
  readonly fingerprint: string | undefined;
  /** The data extents in order, not overlapping; everything between them reads as zeros. */
  extents(): AsyncIterable<ByteRange>;
  /**
   * Fill `target` from `offset`; the range lies inside the image.
   * @throws {UmbraError} IMAGE_FAILED
   */
  read(target: Uint8Array, offset: number): Promise<void>;
  /**
   * Say whether everything read so far is from one point in time.
   * @throws {UmbraError} IMAGE_CHANGED, IMAGE_IN_USE
   */
  assertUnchanged(): Promise<void>;
  /** Idempotent. */
  close(): Promise<void>;
}

export interface OpenImageOptions {
  /** The format to take it for; found out when absent. */
  readonly format?: ImageFormat;
  readonly clock?: Clock;
}
