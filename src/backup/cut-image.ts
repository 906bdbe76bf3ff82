import type { DiskImage } from '../../agent/images/image.js';
import { REGION_BYTES } from '../codec/formats.js';
import { fillZeros } from '../codec/zeros.js';
import { UmbraError } from '../common/errors.js';
import type { CutReply } from '../workers/messages.js';
import { WorkerError, type WorkerPool } from '../workers/pool.js';
import type { RegionExtents } from '../../agent/images/region-inputs.js';

/**
 * Read a region of an image into `region`, by a worker where the image has a file descriptor, and have it cut.
 * @throws {UmbraError} IMAGE_FAILED, IMAGE_CHANGED
 */
export async function cutImageRegion(
  image: DiskImage,
  pool: WorkerPool,
  region: SharedArrayBuffer,
  input: RegionExtents,
): Promise<CutReply> {
  const offset = input.region * REGION_BYTES;
  const { length, extents } = input;
  try {
    const from = image.fd === undefined ? undefined : { fd: image.fd, offset, extents };
    if (from === undefined) await fillRegion(Buffer.from(region), image, offset, input);
    return await pool.run({ op: 'cut', region, length, from });
  } catch (error) {
    throw imageError(image, error);
  }
}

/** Fill a region with what can only be read by the image itself. */
async function fillRegion(region: Buffer, image: DiskImage, offset: number, input: RegionExtents): Promise<void> {
  let filled = 0;
  for (let index = 0; index < input.extents.length; index += 2) {
    const start = input.extents[index] ?? 0;
    const end = start + (input.extents[index + 1] ?? 0);
    fillZeros(region, filled, start);
    await image.read(region.subarray(start, end), offset + start);
    filled = end;
  }
  fillZeros(region, filled, input.length);
}

function imageError(image: DiskImage, error: unknown): unknown {
  if (!(error instanceof WorkerError) || error.kind === 'defect') return error;
  if (error.kind === 'short-read') {
    return new UmbraError('IMAGE_CHANGED', `${image.path} became shorter while it was read: ${error.message}`, {
      hint: 'Shut the machine down, or back up a snapshot of the image.',
      cause: error,
    });
  }
  return new UmbraError('IMAGE_FAILED', `${image.path} cannot be read: ${error.message}`, { cause: error });
}
