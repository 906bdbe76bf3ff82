import type { Clock } from '../../src/common/clock.js';
import { isUmbraError, messageOf, UmbraError } from '../../src/common/errors.js';
import type { ByteRange, ImageFormat } from '../../src/protocol/api.js';
import type { ImageFile } from './image-file.js';
import type { DiskImage } from './image.js';
import { refuseWriters } from './in-use.js';
import { dataExtents } from './nbd/data-extents.js';
import type { NbdClient } from './nbd/nbd-client.js';
import { openChain, type Layer } from './qemu-chain.js';
import { checkWhole } from './qemu-check.js';
import { startQemuNbd, type QemuNbd, type QemuNbdOptions } from './qemu-nbd.js';

/**
 * A disk image that qemu-nbd reads for us. Owns `top` when it succeeds.
 * @throws {UmbraError} IMAGE_FORMAT, IMAGE_IN_USE, IMAGE_CHANGED, IMAGE_FAILED, PROGRAM_MISSING
 */
export async function openQemuImage(top: ImageFile, format: ImageFormat, clock: Clock): Promise<DiskImage> {
  return (await openQemuChain(top, format, clock, {})).image;
}

/** An image, the files that it is made of, and what reads them. */
export interface QemuChain {
  readonly image: DiskImage;
  /** The top first. */
  readonly layers: readonly Layer[];
  readonly client: NbdClient;
}

export interface QemuChainOptions {
  /** Ask also in which layer something lies. */
  readonly depth?: boolean;
  /** A QEMU has it open and does not write to it: that it could is no reason to refuse it. */
  readonly isFrozen?: boolean;
  /** Have this dirty bitmap of the top exported, too. */
  readonly bitmap?: string;
}

/** As {@link openQemuImage}, with the layers. */
export async function openQemuChain(
  top: ImageFile,
  format: ImageFormat,
  clock: Clock,
  { depth = false, isFrozen = false, bitmap }: QemuChainOptions,
): Promise<QemuChain> {
  const { others, layers } = await openChain(top, format, clock);
  const files = [top, ...others];
  try {
    if (!isFrozen || !files.every(({ locked }) => locked)) await refuseWriters(files);
    const qemu = await serve({
      path: top.path,
      format,
      writable: false,
      depth,
      clock,
      ...(bitmap !== undefined && { bitmap }),
    });
    try {
      // QEMU opened the files by name: they must still be those that were looked at and locked.
      await assertAllUnchanged(files);
    } catch (error) {
      await qemu.close();
      throw error;
    }
    const image: DiskImage = {
      path: top.path,
      format,
      sizeBytes: qemu.client.info.sizeBytes,
      consistency: files.every((file) => file.locked) ? 'offline' : 'crash',
      fd: undefined,
      fingerprint: chainFingerprint(files, format),
      extents: () => named(top.path, () => extentsOfWhole(layers, qemu.client)),
      read: (target, offset) => readNamed(top.path, qemu.client, target, offset),
      assertUnchanged: () => assertAllUnchanged(files),
      async close() {
        await qemu.close();
        await closeAll(files);
      },
    };
    return { image, layers, client: qemu.client };
  } catch (error) {
    await closeAll(others);
    throw error;
  }
}

async function serve(options: QemuNbdOptions): Promise<QemuNbd> {
  try {
    return await startQemuNbd(options);
  } catch (error) {
    throw isUmbraError(error, 'IMAGE_FAILED') ? naming(options.path, error) : error;
  }
}

/** Looks first whether all is there: only now, since most images are not read again when nothing changed. */
async function* extentsOfWhole(layers: readonly Layer[], client: NbdClient): AsyncGenerator<ByteRange> {
  for (const { file, format } of layers) await checkWhole(file, format);
  yield* dataExtents(client);
}

/** Errors of the connection don't know which image it is for. */
async function* named<T>(path: string, items: () => AsyncGenerator<T>): AsyncGenerator<T> {
  try {
    yield* items();
  } catch (error) {
    throw naming(path, error);
  }
}

async function readNamed(path: string, client: NbdClient, target: Uint8Array, offset: number): Promise<void> {
  try {
    await client.read(target, offset);
  } catch (error) {
    throw naming(path, error);
  }
}

function naming(path: string, error: unknown): UmbraError {
  if (isUmbraError(error, 'IMAGE_FORMAT')) return error;
  const code = error instanceof UmbraError ? error.code : 'IMAGE_FAILED';
  return new UmbraError(code, `${path} cannot be read: ${messageOf(error)}`, { cause: error });
}

/** Known only if it is for every file. */
function chainFingerprint(files: readonly ImageFile[], format: ImageFormat): string | undefined {
  const prints = files.map((file) => file.fingerprint).filter((print) => print !== undefined);
  return prints.length === files.length ? [format, ...prints].join(' ') : undefined;
}

async function assertAllUnchanged(files: readonly ImageFile[]): Promise<void> {
  for (const file of files) await file.assertUnchanged();
}

async function closeAll(files: readonly ImageFile[]): Promise<void> {
  for (const file of files) await file.close();
}
