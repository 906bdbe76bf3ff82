import { constants, open, stat, type FileHandle } from 'node:fs/promises';
import { messageOf, UmbraError } from '../../src/common/errors.js';
import type { Consistency } from '../../src/protocol/api.js';
import { alignedBuffer, DIRECT_ALIGNMENT } from '../../src/system/aligned-buffer.js';
import { deviceName } from '../../src/system/block-device-users.js';
import { blockDeviceSize, flushDeviceCache } from '../../src/system/block-device.js';
import { deviceWrites } from './device-writes.js';
import { changedError } from './image-file.js';
import type { DiskImage } from './image.js';
import { Slots } from './nbd/slots.js';

const PIECE_BYTES = 1024 * 1024;
const READS_AT_ONCE = 4;

/**
 * A block device of the machine that this program runs on, which goes on with it: nothing is locked, and nothing keeps it from being
 * mounted or taken away. What is read is what the device has, past the kernel's cache, which may have what was not written yet,
 * and may still have what was overwritten. Whether that is of one instant is known in the end.
 */
export class LiveDevice implements DiskImage {
  readonly path: string;
  readonly format = 'raw';
  readonly sizeBytes: number;
  readonly fd = undefined;
  /** Writes of other machines that share the device are counted by nobody here. */
  readonly fingerprint = undefined;
  readonly #handle: FileHandle;
  readonly #device: string;
  readonly #writes: string | undefined;
  readonly #slots = new Slots(READS_AT_ONCE);
  readonly #buffers: Buffer[] = [];
  #consistency: Consistency;

  private constructor(path: string, handle: FileHandle, device: string, writes: string | undefined) {
    this.path = path;
    this.sizeBytes = blockDeviceSize(handle.fd);
    this.#handle = handle;
    this.#device = device;
    this.#writes = writes;
    this.#consistency = writes === undefined ? 'none' : 'crash';
  }

  /** @throws {UmbraError} IMAGE_NOT_FOUND, IMAGE_FORMAT when it is no block device, IMAGE_FAILED */
  static async open(path: string): Promise<LiveDevice> {
    const rdev = await refuseOthers(path);
    const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_DIRECT).catch(
      (error: unknown) => {
        throw failed(path, error);
      },
    );
    try {
      flushDeviceCache(handle.fd);
      const device = deviceName(rdev);
      return new LiveDevice(path, handle, device, await deviceWrites(device));
    } catch (error) {
      await handle.close();
      throw failed(path, error);
    }
  }

  /** `crash` as long as nobody is known to have written: certain after {@link assertUnchanged}. Else `none`. */
  get consistency(): Consistency {
    return this.#consistency;
  }

  async *extents(): AsyncGenerator<{ offset: number; length: number }> {
    if (this.sizeBytes > 0) yield await Promise.resolve({ offset: 0, length: this.sizeBytes });
  }

  async read(target: Uint8Array, offset: number): Promise<void> {
    for (let done = 0; done < target.length;) {
      const at = offset + done;
      const begin = at - (at % DIRECT_ALIGNMENT);
      const length = Math.min(target.length - done, PIECE_BYTES - (at - begin));
      await this.#slots.use(() => this.#readPiece(target.subarray(done, done + length), begin, at - begin));
      done += length;
    }
  }

  /** @throws {UmbraError} IMAGE_CHANGED if it has another size, or another device took its name */
  async assertUnchanged(): Promise<void> {
    const now = await stat(this.path, { bigint: true }).catch(() => undefined);
    if (now === undefined || deviceName(now.rdev) !== this.#device) throw changedError(this.path, 'was taken away');
    if (blockDeviceSize(this.#handle.fd) !== this.sizeBytes) throw changedError(this.path, 'was resized');
    if (this.#writes === undefined || (await deviceWrites(this.#device)) !== this.#writes) this.#consistency = 'none';
  }

  /** Idempotent. */
  async close(): Promise<void> {
    await this.#handle.close();
  }

  /** @param begin - in the device, where a page begins, `skip` bytes before what is wanted */
  async #readPiece(target: Uint8Array, begin: number, skip: number): Promise<void> {
    const buffer = this.#buffers.pop() ?? alignedBuffer(PIECE_BYTES);
    const wanted = skip + target.length;
    const length = Math.ceil(wanted / DIRECT_ALIGNMENT) * DIRECT_ALIGNMENT;
    const { bytesRead } = await this.#handle.read(buffer, 0, length, begin).catch((error: unknown) => {
      throw failed(this.path, error);
    });
    if (bytesRead < wanted) throw changedError(this.path, 'is shorter than it was');
    target.set(buffer.subarray(skip, wanted));
    this.#buffers.push(buffer);
  }
}

/** @returns the device's number */
async function refuseOthers(path: string): Promise<bigint> {
  const stats = await stat(path, { bigint: true }).catch((error: unknown) => {
    throw new UmbraError('IMAGE_NOT_FOUND', `${path}: ${messageOf(error)}`, { cause: error });
  });
  if (stats.isBlockDevice()) return stats.rdev;
  throw new UmbraError('IMAGE_FORMAT', `${path} is no block device`);
}

function failed(path: string, cause: unknown): UmbraError {
  return new UmbraError('IMAGE_FAILED', `${path} cannot be read: ${messageOf(cause)}`, { cause });
}
