import type { Clock } from '../../src/common/clock.js';
import { UmbraError } from '../../src/common/errors.js';
import type { ByteRange, ImageFormat } from '../../src/protocol/api.js';
import { ImageFile } from './image-file.js';
import type { DiskImage } from './image.js';
import { refuseWriters } from './in-use.js';
import { DEPTH_CONTEXT } from './nbd/constants.js';
import { AllocationWindow } from './nbd/allocation-window.js';
import { statusOf } from './nbd/data-extents.js';
import { checkWhole } from './qemu-check.js';
import { openQemuChain, type QemuChain } from './qemu-image.js';
import { rawImage } from './raw-image.js';

/** One file of a chain. */
export interface ImageLayer {
  readonly path: string;
  readonly format: ImageFormat;
  /** See {@link ImageFile.written}. */
  readonly written: string;
}

/** A disk image whose layers are told apart. */
export interface LayeredImage extends DiskImage {
  /** The top first. */
  readonly layers: readonly ImageLayer[];
  /** What the first `count` layers hold themselves, in order: all in which they can differ from the rest. */
  heldBy(count: number): AsyncIterable<ByteRange & { readonly isZero?: boolean }>;
}

export interface OpenLayersOptions {
  readonly format: ImageFormat;
  readonly clock: Clock;
  /** A QEMU has put an overlay on it: it may still have it open for writing, and does not. */
  readonly isFrozen: boolean;
}

/**
 * Open a chain by its top for reading, and lock all of its files against programs that write.
 * @throws {UmbraError} as openImage
 */
export async function openLayeredImage(path: string, options: OpenLayersOptions): Promise<LayeredImage> {
  const { format, clock, isFrozen } = options;
  const file = await ImageFile.open(path, clock);
  try {
    if (format !== 'raw') return layered(await openQemuChain(file, format, clock, { depth: true, isFrozen }));
    if (!isFrozen || !file.locked) await refuseWriters([file]);
    const layers = [{ path, format, written: file.written }];
    const image = rawImage(file);
    return { ...image, layers, heldBy: (count) => (count === 0 ? nothing() : image.extents()) };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function* nothing(): AsyncGenerator<never> {
  // No layer holds anything.
}

function layered({ image, layers, client }: QemuChain): LayeredImage {
  const files = layers.map(({ file: { path, written }, format }) => ({ path, format, written }));
  async function* heldBy(count: number): AsyncGenerator<ByteRange & { readonly isZero?: boolean }> {
    for (const { file, format } of layers.slice(0, count)) await checkWhole(file, format);
    if (!client.info.contexts.has(DEPTH_CONTEXT)) {
      throw new UmbraError('PROGRAM_MISSING', 'qemu-nbd is too old to tell the layers of an image apart', {
        hint: 'Install QEMU 5.2 or newer.',
      });
    }
    const allocation = new AllocationWindow(client);
    for await (const range of statusOf(client, DEPTH_CONTEXT, { offset: 0, length: image.sizeBytes })) {
      if (range.flags >= 1 && range.flags <= count) yield* allocation.of(range);
    }
  }
  return { ...image, layers: files, heldBy };
}
