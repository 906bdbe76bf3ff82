import type { Clock } from '../../../src/common/clock.js';
import type { DomainDisk } from '../../discovery/domain-xml.js';
import type { DiskImage } from '../../images/image.js';
import { openImage } from '../../images/open-image.js';
import type { Domain } from '../../libvirt/domain.js';
import type { Libvirt } from '../../libvirt/libvirt.js';
import type { Checkpoint, CheckpointVolume } from '../tracker.js';
import { removeOurBitmaps } from './lost-bitmaps.js';
import type { MadeCheckpoints } from './made-checkpoints.js';
import { isOurCheckpoint } from './names.js';
import type { DomainNow } from './plan.js';

/**
 * A checkpoint of a domain that is off: its disks, read from their images. While they are open no QEMU starts with them.
 * libvirt makes no checkpoints then; the bitmaps that there are record on when it starts.
 * @param end - called when it is closed
 * @throws {UmbraError} IMAGE_*
 */
export async function offlineCheckpoint(
  id: string,
  { disks, remarks }: DomainNow,
  config: Checkpoint['config'],
  clock: Clock,
  end: () => Promise<void>,
): Promise<Checkpoint> {
  const images = await openImages(disks, clock);
  const isOffline = images.every(({ image }) => image.consistency === 'offline');
  let closing: Promise<void> | undefined;
  return {
    id,
    timeMs: clock.now(),
    consistency: isOffline ? 'offline' : 'crash',
    pauseMs: 0,
    notes: [...remarks, 'the machine is off: its images are read and compared'],
    volumes: images.map(({ name, image }) => volumeOf(name, image)),
    config,
    acknowledge: () => Promise.resolve(),
    close: () => (closing ??= closeAll(images, end)),
  };
}

/**
 * Delete all checkpoints of ours while the domain is off: libvirt forgets them, and their bitmaps are taken out of the images, as are
 * those that no checkpoint is of.
 * @throws {UmbraError} TRACKER_FAILED, HYPERVISOR_*
 */
export async function forgetOffline(libvirt: Libvirt, domain: Domain, made: MadeCheckpoints): Promise<void> {
  for (const name of (await libvirt.checkpoints(domain)).filter(isOurCheckpoint)) {
    await libvirt.deleteCheckpoint(domain, name, 'metadata');
  }
  await removeOurBitmaps(libvirt, domain);
  await made.keepOnly([]);
}

interface OpenDisk {
  readonly name: string;
  readonly image: DiskImage;
}

async function openImages(disks: readonly DomainDisk[], clock: Clock): Promise<readonly OpenDisk[]> {
  const images: OpenDisk[] = [];
  try {
    for (const { name, path, format } of disks) images.push({ name, image: await openImage(path, { format, clock }) });
    return images;
  } catch (error) {
    await closeAll(images, () => Promise.resolve());
    throw error;
  }
}

async function closeAll(images: readonly OpenDisk[], end: () => Promise<void>): Promise<void> {
  await Promise.allSettled([...images.map(({ image }) => image.close()), end()]);
}

function volumeOf(name: string, image: DiskImage): CheckpointVolume {
  return {
    name,
    path: image.path,
    format: image.format,
    sizeBytes: image.sizeBytes,
    changesKnown: false,
    changes: () => image.extents(),
    extents: () => image.extents(),
    read: (target, offset) => image.read(target, offset),
  };
}
