import type { Clock } from '../../../src/common/clock.js';
import type { DiscoveredVolume } from '../../../src/protocol/agents-api.js';
import { ImageFile } from '../../images/image-file.js';
import type { DiskImage } from '../../images/image.js';
import { bitmapContext } from '../../images/nbd/constants.js';
import { openImage } from '../../images/open-image.js';
import { openQemuChain } from '../../images/qemu-image.js';
import { qemuInfo } from '../../images/qemu-info.js';
import type { CheckpointVolume } from '../tracker.js';
import { whyUnusable } from './bitmaps.js';
import { bitmapName } from './names.js';
import { changedRanges } from './volume.js';

/** A volume of a machine that is off. */
export interface OfflineVolume {
  readonly volume: CheckpointVolume;
  readonly image: DiskImage;
  /** Why it is not known what has changed, for people. */
  readonly remark: string | undefined;
}

/**
 * Open the image of a disk under QEMU's locks, with the bitmap that its QEMU has left in it if that can be relied on.
 * @param since - the id of the checkpoint since which QEMU recorded; undefined if there is none
 * @throws {UmbraError} IMAGE_*, PROGRAM_MISSING
 */
export async function openOfflineVolume(
  { name, path, format }: DiscoveredVolume,
  since: string | undefined,
  clock: Clock,
): Promise<OfflineVolume> {
  if (format !== 'qcow2' || since === undefined) {
    const why = since === undefined ? undefined : `${name}: its format ${format} keeps no bitmaps`;
    return whole(name, await openImage(path, { format, clock }), why);
  }
  const file = await ImageFile.open(path, clock);
  try {
    // Locked by now: nobody writes to the bitmaps either.
    const { bitmaps, sizeBytes = 0 } = await qemuInfo(path, format);
    const wanted = bitmapName(since, name, sizeBytes);
    const found = bitmaps.find((bitmap) => bitmap.name === wanted);
    const remark = whyUnusable({ volume: name, bitmaps, keepsBitmaps: true }, since, found);
    if (remark !== undefined) return whole(name, (await openQemuChain(file, format, clock, {})).image, remark);
    const { image, client } = await openQemuChain(file, format, clock, { bitmap: wanted });
    const bitmap = { client, context: bitmapContext(wanted) };
    const opened = whole(name, image, undefined);
    const volume = { ...opened.volume, changesKnown: true, changes: () => changedRanges(client, bitmap) };
    return { ...opened, volume };
  } catch (error) {
    await file.close();
    throw error;
  }
}

function whole(name: string, image: DiskImage, remark: string | undefined): OfflineVolume {
  const { path, format, sizeBytes } = image;
  const volume: CheckpointVolume = {
    name,
    path,
    format,
    sizeBytes,
    changesKnown: false,
    changes: () => image.extents(),
    extents: () => image.extents(),
    read: (target, offset) => image.read(target, offset),
  };
  return { volume, image, remark };
}
