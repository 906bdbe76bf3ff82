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
import { startQemuNbd, type QemuNbd } from './qemu-nbd.js';

/**
 * A disk image that qemu-nbd reads for us. Owns `top` when it succeeds.
 * @throws {UmbraError} IMAGE_FORMAT, IMAGE_IN_USE, IMAGE_CHANGED, IMAGE_FAILED, PROGRAM_MISSING
 */
export async function openQemuImage(top: ImageFile, format: ImageFormat, clock: Clock): Promise<DiskImage> {
  const { others, layers } = await openChain(top, format, clock);
  const files = [top, ...others];
  try {
    await refuseWriters(files);
    const qemu = await serve(top.path, format, clock);
    try {
      // QEMU opened the files by name: they must still be those that were looked at and locked.
      await assertAllUnchanged(files);
    } catch (error) {
      await qemu.close();
      throw error;
    }
    return {
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
  } catch (error) {
    await closeAll(others);
    throw error;
  }
}

async function serve(path: string, format: ImageFormat, clock: Clock): Promise<QemuNbd> {
  try {
    return await startQemuNbd({ path, format, writable: false, clock });
  } catch (error) {
    throw isUmbraError(error, 'IMAGE_FAILED') ? naming(path, error) : error;
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
