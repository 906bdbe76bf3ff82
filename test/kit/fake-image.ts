import type { DiskImage } from '../../agent/images/image.js';
import type { ByteRange } from '../../src/protocol/api.js';

const BLOCK_BYTES = 4096;
const ZERO_BLOCK = Buffer.alloc(BLOCK_BYTES);

export interface FakeImageOptions {
  /** What {@link DiskImage.path} says. */
  readonly path?: string;
  readonly fingerprint?: string;
  /** The data extents; without it, the runs of blocks that are not zeros. */
  readonly extents?: readonly ByteRange[];
}

/** A disk image in memory. It copies nothing: what is changed in `content` is changed in the image. */
export function fakeImage(content: Uint8Array, options: FakeImageOptions = {}): DiskImage {
  return {
    path: options.path ?? '/images/fake.raw',
    format: 'raw',
    sizeBytes: content.length,
    consistency: 'offline',
    fd: undefined,
    fingerprint: options.fingerprint,
    async *extents() {
      yield* await Promise.resolve(options.extents ?? dataExtents(content));
    },
    read(target, offset) {
      target.set(content.subarray(offset, offset + target.length));
      return Promise.resolve();
    },
    assertUnchanged: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
}

/** The runs of blocks of `content` that are not all zeros; the last may end in the middle of a block. */
export function dataExtents(content: Uint8Array): ByteRange[] {
  const extents: ByteRange[] = [];
  for (let offset = 0; offset < content.length; offset += BLOCK_BYTES) {
    const block = content.subarray(offset, offset + BLOCK_BYTES);
    if (ZERO_BLOCK.subarray(0, block.length).equals(block)) continue;
    const last = extents.at(-1);
    if (last !== undefined && last.offset + last.length === offset) extents.pop();
    const start = last !== undefined && last.offset + last.length === offset ? last.offset : offset;
    extents.push({ offset: start, length: offset + block.length - start });
  }
  return extents;
}
