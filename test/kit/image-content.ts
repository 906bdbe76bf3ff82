import type { DiskImage } from '../../agent/images/image.js';
import type { ByteRange } from '../../src/protocol/api.js';

/** All extents of an image. */
export async function extentsOf(image: DiskImage): Promise<ByteRange[]> {
  const extents: ByteRange[] = [];
  for await (const extent of image.extents()) extents.push(extent);
  return extents;
}

/** The whole virtual disk: its extents read, zeros between. */
export async function contentOf(image: DiskImage): Promise<Buffer> {
  const content = Buffer.alloc(image.sizeBytes);
  for (const { offset, length } of await extentsOf(image)) {
    // A prime step, so that pieces lie across clusters and the ends of extents.
    for (let at = offset; at < offset + length; at += 999_983) {
      await image.read(content.subarray(at, Math.min(at + 999_983, offset + length)), at);
    }
  }
  return content;
}

/** The sum of the extents' lengths. */
export function totalLength(extents: readonly ByteRange[]): number {
  return extents.reduce((sum, { length }) => sum + length, 0);
}
