import { isUmbraError, messageOf, systemCode, UmbraError } from '../../../src/common/errors.js';
import type { ByteRange } from '../../../src/protocol/api.js';
import { ALLOCATION_CONTEXT, ALLOCATION_ZERO, BITMAP_DIRTY, bitmapContext } from '../../images/nbd/constants.js';
import { dataExtents, statusOf } from '../../images/nbd/data-extents.js';
import { openNbd, type NbdClient } from '../../images/nbd/nbd-client.js';
import type { ChangedRange, CheckpointVolume } from '../tracker.js';
import type { BitmapPlan } from './bitmaps.js';
import { READING_BITMAP } from './names.js';

/** A volume of a checkpoint, and the connections that it is read through. */
export interface FleecedVolume extends CheckpointVolume {
  /** Idempotent; never rejects. */
  close(): Promise<void>;
}

/** @throws {UmbraError} IMAGE_FAILED, IMAGE_CHANGED */
export async function openFleecedVolume(
  { disk, since }: BitmapPlan,
  socketPath: string,
  exportName: string,
): Promise<FleecedVolume> {
  const clients: NbdClient[] = [];
  const connect = async (context: string): Promise<NbdClient> => {
    const client = await openNbd({ socketPath, exportName, contexts: [context] });
    clients.push(client);
    if (!client.info.contexts.has(context)) throw lacking(disk.volume, `QEMU does not say ${context}`);
    if (client.info.sizeBytes !== disk.sizeBytes) throw lacking(disk.volume, 'it was resized just now');
    return client;
  };
  const close = async (): Promise<void> => {
    await Promise.allSettled(clients.map((client) => client.close()));
  };
  try {
    const data = await connect(ALLOCATION_CONTEXT);
    // A connection of its own: a question for the bitmap would be answered for the allocation too, which takes longer.
    const bitmap = since === undefined ? undefined : await connect(bitmapContext(READING_BITMAP));
    const named = <T>(items: AsyncGenerator<T>): AsyncGenerator<T> => translated(disk.volume, items);
    return {
      name: disk.volume,
      path: disk.path,
      format: disk.format,
      sizeBytes: disk.sizeBytes,
      changesKnown: bitmap !== undefined,
      changes: () => named(changedRanges(data, bitmap)),
      extents: () => named(dataExtents(data)),
      async read(target, offset) {
        try {
          await data.read(target, offset);
        } catch (error) {
          throw translate(disk.volume, error);
        }
      },
      close,
    };
  } catch (error) {
    await close();
    throw translate(disk.volume, error);
  }
}

/** What the bitmap has, with what of it reads as zeros. */
async function* changedRanges(data: NbdClient, bitmap: NbdClient | undefined): AsyncGenerator<ChangedRange> {
  if (bitmap === undefined) throw new UmbraError('INTERNAL', 'changes of a volume of which none are known');
  const whole = { offset: 0, length: bitmap.info.sizeBytes };
  for await (const range of statusOf(bitmap, bitmapContext(READING_BITMAP), whole)) {
    if ((range.flags & BITMAP_DIRTY) === 0) continue;
    yield* withZeros(data, range);
  }
}

async function* withZeros(data: NbdClient, range: ByteRange): AsyncGenerator<ChangedRange> {
  for await (const { offset, length, flags } of statusOf(data, ALLOCATION_CONTEXT, range)) {
    const isZero = (flags & ALLOCATION_ZERO) !== 0;
    yield isZero ? { offset, length, isZero } : { offset, length };
  }
}

async function* translated<T>(volume: string, items: AsyncGenerator<T>): AsyncGenerator<T> {
  try {
    yield* items;
  } catch (error) {
    throw translate(volume, error);
  }
}

/**
 * A view that was lost answers EINVAL, whatever is asked; without QEMU nothing answers. Other errors are the disk's own.
 */
function translate(volume: string, error: unknown): unknown {
  if (!isUmbraError(error, 'IMAGE_FAILED')) return error;
  const errno = systemCode(error.cause);
  if (errno === 'EINVAL') return lacking(volume, 'there was no room for what the guest overwrote', error);
  if (errno === undefined || errno === 'ECONNRESET' || errno === 'EPIPE' || errno === 'ESHUTDOWN') {
    return lacking(volume, `QEMU ended, or its disk was taken away: ${messageOf(error)}`, error);
  }
  return new UmbraError('IMAGE_FAILED', `${volume} cannot be read: ${messageOf(error)}`, { cause: error });
}

function lacking(volume: string, why: string, cause?: unknown): UmbraError {
  return new UmbraError('IMAGE_CHANGED', `the stable view of ${volume} is lost: ${why}`, {
    hint: 'Make the backup again; give the scratch directory more room if that is what was missing.',
    cause,
  });
}
