import { isUmbraError } from '../../src/common/errors.js';
import { mergedDisks, type MergedDisk } from '../../src/protocol/stored-chains.js';
import type { ByteSource } from '../blocks/byte-source.js';
import { NOTHING } from '../disk/nothing.js';
import type { GuestVolume } from '../files/guest-device.js';
import type { ImageCaches } from '../qcow2/image-caches.js';
import type { ShadowCopyView } from '../source.js';
import { openChain } from './open-chain.js';
import { unreadableDisk } from './unreadable-disk.js';

/** The disks of a machine as its guest sees them. */
export interface GuestVolumes {
  readonly volumes: readonly GuestVolume[];
  /** Forget what is kept of them. */
  readonly close: () => void;
}

/**
 * The volumes of a shadow copy, and in the place of stored files the disks that they make up: a file below an overlay holds
 * what the guest had there once.
 * @throws {UmbraError} STORE_DAMAGED, NOT_FOUND
 */
export async function guestVolumes(
  view: Pick<ShadowCopyView, 'config' | 'volumes'>,
  sources: ReadonlyMap<string, ByteSource>,
  caches: ImageCaches,
): Promise<GuestVolumes> {
  const disks = mergedDisks(view);
  const parts = new Set(disks.flatMap(({ files }) => files.map(({ volume }) => volume)));
  const merged: GuestVolume[] = [];
  const closers: (() => void)[] = [];
  const sourceOf = (volume: string): ByteSource => sources.get(volume) ?? NOTHING;
  for (const disk of disks) {
    const { volume, close } = await openDisk(disk, sourceOf, caches);
    merged.push(volume);
    closers.push(close);
  }
  const whole = view.volumes.filter(({ name }) => !parts.has(name));
  return {
    volumes: [...merged, ...whole.map(({ name }) => ({ name, source: sourceOf(name) }))],
    close: () => {
      for (const close of closers) close();
    },
  };
}

async function openDisk(
  disk: MergedDisk,
  sourceOf: (volume: string) => ByteSource,
  caches: ImageCaches,
): Promise<{ readonly volume: GuestVolume; readonly close: () => void }> {
  const { name } = disk;
  try {
    const { source, close } = await openChain(disk, sourceOf, caches);
    return { volume: { name, source }, close };
  } catch (error) {
    if (!isUmbraError(error, 'FILESYSTEM_DAMAGED', 'FILESYSTEM_UNREADABLE')) throw error;
    return { volume: { name, source: NOTHING, unreadable: unreadableDisk(disk, error) }, close: () => undefined };
  }
}
