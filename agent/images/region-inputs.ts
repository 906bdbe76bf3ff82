import type { DiskImage } from './image.js';
import { BLOCK_BYTES, REGION_BYTES } from '../../src/codec/formats.js';
import { UmbraError } from '../../src/common/errors.js';

/** The data extents of one region. */
export interface RegionExtents {
  readonly region: number;
  /** Bytes of the region inside the volume. */
  readonly length: number;
  /** Pairs of offset in the region and length. */
  readonly extents: readonly number[];
  readonly dataBytes: number;
}

/** The most extents of a region: one for every other block. More, which only a broken image has, are joined. */
const MAX_EXTENTS = REGION_BYTES / BLOCK_BYTES / 2;

/**
 * The regions of an image that have data, in order, with their extents. Regions that are holes are left out.
 * @throws {UmbraError} IMAGE_FAILED for extents that overlap, go back, or leave the image
 */
export async function* regionInputs(
  image: Pick<DiskImage, 'path' | 'sizeBytes' | 'extents'>,
): AsyncGenerator<RegionExtents> {
  let region = -1;
  let extents: number[] = [];
  let last = 0;
  const complete = (): RegionExtents[] => {
    if (extents.length === 0) return [];
    const length = Math.min(REGION_BYTES, image.sizeBytes - region * REGION_BYTES);
    const dataBytes = extents.reduce((sum, value, index) => (index % 2 === 1 ? sum + value : sum), 0);
    return [{ region, length, extents, dataBytes }];
  };
  for await (const extent of image.extents()) {
    const end = extent.offset + extent.length;
    if (extent.offset < last || extent.length < 0 || end > image.sizeBytes) {
      throw new UmbraError('IMAGE_FAILED', `${image.path} reports an impossible extent at byte ${extent.offset}`);
    }
    last = end;
    for (let at = extent.offset; at < end;) {
      const index = Math.floor(at / REGION_BYTES);
      if (index !== region) {
        yield* complete();
        region = index;
        extents = [];
      }
      const stop = Math.min(end, (index + 1) * REGION_BYTES);
      addExtent(extents, at - index * REGION_BYTES, stop - at);
      at = stop;
    }
  }
  yield* complete();
}

function addExtent(extents: number[], offset: number, length: number): void {
  const lastOffset = extents.at(-2);
  const lastLength = extents.at(-1);
  const touches = lastOffset !== undefined && lastLength !== undefined && lastOffset + lastLength === offset;
  if (lastOffset !== undefined && (touches || extents.length >= MAX_EXTENTS * 2)) {
    extents[extents.length - 1] = offset + length - lastOffset;
  } else {
    extents.push(offset, length);
  }
}
