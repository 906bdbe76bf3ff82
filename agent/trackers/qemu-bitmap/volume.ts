import { isUmbraError, messageOf, systemCode, UmbraError } from '../../../src/common/errors.js';
import type { ImageFormat } from '../../../src/protocol/api.js';
import { AllocationWindow } from '../../images/nbd/allocation-window.js';
import { ALLOCATION_CONTEXT, BITMAP_DIRTY, bitmapContext } from '../../images/nbd/constants.js';
import { dataExtents, statusOf } from '../../images/nbd/data-extents.js';
import { openNbd, type NbdClient } from '../../images/nbd/nbd-client.js';
import type { ChangedRange, CheckpointVolume } from '../tracker.js';
import type { WhyLost } from './view-loss.js';

/** A volume of a checkpoint, and the connections that it is read through. */
export interface FleecedVolume extends CheckpointVolume {
  /** Idempotent; never rejects. */
  close(): Promise<void>;
}

/** A disk whose stable view is exported. */
export interface FleecedDisk {
  /** Of the volume. */
  readonly name: string;
  readonly path: string;
  readonly format: ImageFormat;
  readonly sizeBytes: number;
  /** The exported bitmap that says what changed; undefined if none does. */
  readonly bitmap: string | undefined;
}

/**
 * @param why asked when its view is lost
 * @throws {UmbraError} IMAGE_FAILED, IMAGE_CHANGED
 */
export async function openFleecedVolume(
  { name, path, format, sizeBytes, bitmap: bitmapName }: FleecedDisk,
  socketPath: string,
  exportName: string,
  why: WhyLost,
): Promise<FleecedVolume> {
  const clients: NbdClient[] = [];
  const connect = async (context: string): Promise<NbdClient> => {
    const client = await openNbd({ socketPath, exportName, contexts: [context] });
    clients.push(client);
    if (!client.info.contexts.has(context)) throw lacking(name, `QEMU does not say ${context}`);
    if (client.info.sizeBytes !== sizeBytes) throw lacking(name, 'it was resized just now');
    return client;
  };
  const close = async (): Promise<void> => {
    await Promise.allSettled(clients.map((client) => client.close()));
  };
  try {
    const data = await connect(ALLOCATION_CONTEXT);
    // A connection of its own: a question for the bitmap would be answered for the allocation too, which takes longer.
    const context = bitmapName === undefined ? undefined : bitmapContext(bitmapName);
    const bitmap = context === undefined ? undefined : { client: await connect(context), context };
    const named = <T>(items: AsyncGenerator<T>): AsyncGenerator<T> => translated(name, why, items);
    return {
      name,
      path,
      format,
      sizeBytes,
      changesKnown: bitmap !== undefined,
      changes: () => named(changedRanges(data, bitmap)),
      extents: () => named(dataExtents(data)),
      async read(target, offset) {
        try {
          await data.read(target, offset);
        } catch (error) {
          throw await translate(name, why, error);
        }
      },
      close,
    };
  } catch (error) {
    await close();
    throw await translate(name, why, error);
  }
}

/** What the bitmap has, with what of it reads as zeros. */
export async function* changedRanges(
  data: NbdClient,
  bitmap: { readonly client: NbdClient; readonly context: string } | undefined,
): AsyncGenerator<ChangedRange> {
  if (bitmap === undefined) throw new UmbraError('INTERNAL', 'changes of a volume of which none are known');
  const whole = { offset: 0, length: bitmap.client.info.sizeBytes };
  const allocation = new AllocationWindow(data);
  for await (const range of statusOf(bitmap.client, bitmap.context, whole)) {
    if ((range.flags & BITMAP_DIRTY) !== 0) yield* allocation.of(range);
  }
}

async function* translated<T>(volume: string, why: WhyLost, items: AsyncGenerator<T>): AsyncGenerator<T> {
  try {
    yield* items;
  } catch (error) {
    throw await translate(volume, why, error);
  }
}

/**
 * A view that was lost answers EINVAL, whatever is asked; without QEMU nothing answers. Other errors are the disk's own.
 */
async function translate(volume: string, why: WhyLost, error: unknown): Promise<unknown> {
  if (!isUmbraError(error, 'IMAGE_FAILED')) return error;
  const errno = systemCode(error.cause);
  if (errno === 'EINVAL') {
    const loss = await why('broken');
    return lacking(volume, loss?.why ?? 'QEMU has given it up', error, loss?.hint);
  }
  if (errno === undefined || errno === 'ECONNRESET' || errno === 'EPIPE' || errno === 'ESHUTDOWN') {
    const loss = await why('gone');
    return lacking(
      volume,
      loss?.why ?? `QEMU ended, or its disk was taken away: ${messageOf(error)}`,
      error,
      loss?.hint,
    );
  }
  return new UmbraError('IMAGE_FAILED', `${volume} cannot be read: ${messageOf(error)}`, { cause: error });
}

function lacking(volume: string, why: string, cause?: unknown, hint = 'Make the backup again.'): UmbraError {
  return new UmbraError('IMAGE_CHANGED', `the stable view of ${volume} is lost: ${why}`, { hint, cause });
}
