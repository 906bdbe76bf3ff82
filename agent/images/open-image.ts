import { resolve } from 'node:path';
import { systemClock } from '../../src/common/clock.js';
import { contentMagic } from './content.js';
import { decideFormat } from './format.js';
import { ImageFile } from './image-file.js';
import type { DiskImage, OpenImageOptions } from './image.js';
import { refuseWriters } from './in-use.js';
import { refuseOwnMount } from './own-mount.js';
import { openQemuImage } from './qemu-image.js';
import { rawImage } from './raw-image.js';

/**
 * Open the disk image at `path` for reading, and lock it against programs that write.
 * @throws {UmbraError} IMAGE_NOT_FOUND, IMAGE_FORMAT, IMAGE_IN_USE, IMAGE_CHANGED, IMAGE_FAILED, PROGRAM_MISSING,
 *   BAD_ARGUMENT for a file in a mount of Umbra
 */
export async function openImage(path: string, options: OpenImageOptions = {}): Promise<DiskImage> {
  const { clock = systemClock } = options;
  const file = await ImageFile.open(resolve(path), clock);
  try {
    const format =
      options.format ?? decideFormat({ path: file.path, isDevice: file.isDevice, magic: await contentMagic(file) });
    if (format !== 'raw') return await openQemuImage(file, format, clock);
    await refuseOwnMount(file.path, file.realPath);
    await refuseWriters([file]);
    return rawImage(file);
  } catch (error) {
    await file.close();
    throw error;
  }
}
