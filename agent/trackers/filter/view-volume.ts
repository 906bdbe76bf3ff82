import { open, type FileHandle } from 'node:fs/promises';
import { messageOf, UmbraError } from '../../../src/common/errors.js';
import type { ByteRange, ImageFormat } from '../../../src/protocol/api.js';
import type { FilterClient } from '../../filter/control/filter-client.js';
import type { BeginAnswer } from '../../filter/control/protocol.js';
import { BlockSet } from '../../filter/log/block-set.js';
import { BLOCK_BYTES } from '../../filter/log/log-state.js';
import type { DiskImage } from '../../images/image.js';
import { openImage } from '../../images/open-image.js';
import type { ChangedRange, CheckpointVolume } from '../tracker.js';
import { changedClusters, keepTables } from './qcow2-changes.js';

/** A volume of the machine that the tracker is for. */
export interface FilterVolume {
  readonly name: string;
  /** Of the image's file on the host, in the directory of the filter. */
  readonly path: string;
  readonly format: ImageFormat;
}

/** A checkpoint that the filter has made. */
export interface Begun {
  readonly client: FilterClient;
  readonly answer: BeginAnswer;
}

type ViewedFile = BeginAnswer['files'][number];

/** An open volume of a checkpoint; {@link close} it. */
export interface OpenVolume {
  readonly volume: CheckpointVolume;
  /** Why nobody vouches for what did not change; undefined when the tracker does. */
  readonly unknown: string | undefined;
  close(): Promise<void>;
}

/** @throws {UmbraError} IMAGE_FAILED, IMAGE_CHANGED */
export async function openRawVolume(volume: FilterVolume, file: ViewedFile, begun: Begun): Promise<OpenVolume> {
  const handle = await open(file.path, 'r').catch(async (error: unknown) => {
    throw await lostOrFailed(begun, volume.path, error);
  });
  return {
    volume: {
      ...volume,
      sizeBytes: file.sizeBytes,
      changesKnown: file.unknown === undefined,
      changes: () => begun.client.ranges('changes', begun.answer.token, file.name),
      extents: () => begun.client.ranges('extents', begun.answer.token, file.name),
      read: (target, offset) => readAll(begun, volume.path, handle, target, offset),
    },
    unknown: file.unknown,
    close: () => handle.close(),
  };
}

export interface TablePlaces {
  /** Tables as of the checkpoint that the changes are told since; undefined when there is none. */
  readonly before: string | undefined;
  /** Where to keep those of this one. */
  readonly now: string;
}

/**
 * @param chain - the volume's own file, and the files behind it
 * @throws {UmbraError} IMAGE_FORMAT, IMAGE_FAILED, IMAGE_CHANGED, PROGRAM_MISSING
 */
export async function openQcow2Volume(
  volume: FilterVolume,
  chain: readonly ViewedFile[],
  begun: Begun,
  places: TablePlaces,
): Promise<OpenVolume> {
  const [top] = chain;
  if (top === undefined) throw new UmbraError('INTERNAL', `the filter gave no view of ${volume.path}`);
  const image = await openImage(top.path, { format: volume.format });
  try {
    const known = await changesOfDisk(volume, chain, begun, places);
    return {
      volume: describe(volume, image, known, begun),
      unknown: known instanceof BlockSet ? undefined : known.unknown,
      close: () => image.close(),
    };
  } catch (error) {
    await image.close();
    throw error;
  }
}

function describe(
  volume: FilterVolume,
  image: DiskImage,
  known: BlockSet | { readonly unknown: string },
  begun: Begun,
): CheckpointVolume {
  return {
    ...volume,
    sizeBytes: image.sizeBytes,
    changesKnown: known instanceof BlockSet,
    changes: () => listed(known instanceof BlockSet ? known.ranges(image.sizeBytes) : []),
    extents: () => image.extents(),
    async read(target, offset) {
      try {
        await image.read(target, offset);
      } catch (error) {
        throw await lostOrFailed(begun, volume.path, error);
      }
    },
  };
}

async function changesOfDisk(
  volume: FilterVolume,
  chain: readonly ViewedFile[],
  begun: Begun,
  { before, now }: TablePlaces,
): Promise<BlockSet | { readonly unknown: string }> {
  const [top, ...behind] = chain;
  if (top === undefined) return { unknown: 'there is no file' };
  const handle = await open(top.path, 'r');
  try {
    const read = (target: Uint8Array, offset: number): Promise<void> =>
      readAll(begun, volume.path, handle, target, offset);
    await keepTables(read, now);
    if (before === undefined) return { unknown: 'it is the first checkpoint' };
    const unknown = chain.find((file) => file.unknown !== undefined)?.unknown;
    if (unknown !== undefined) return { unknown };
    for (const file of behind) {
      if (!(await writtenTo(begun, file)).isEmpty) return { unknown: 'a backing file was written' };
    }
    return (await changedClusters(read, before, await writtenTo(begun, top))).clusters;
  } catch (error) {
    // The view itself is lost: then nothing can be read.
    if (error instanceof UmbraError && error.code === 'IMAGE_CHANGED') throw error;
    return { unknown: messageOf(error) };
  } finally {
    await handle.close();
  }
}

async function writtenTo({ client, answer }: Begun, file: ViewedFile): Promise<BlockSet> {
  const written = new BlockSet(BLOCK_BYTES);
  for await (const { offset, length } of client.ranges('changes', answer.token, file.name)) {
    written.add(written.run(offset, length));
  }
  return written;
}

async function readAll(
  begun: Begun,
  path: string,
  handle: FileHandle,
  target: Uint8Array,
  offset: number,
): Promise<void> {
  try {
    for (let done = 0; done < target.length;) {
      const { bytesRead } = await handle.read(target, done, target.length - done, offset + done);
      if (bytesRead === 0) {
        target.fill(0, done);
        return;
      }
      done += bytesRead;
    }
  } catch (error) {
    throw await lostOrFailed(begun, path, error);
  }
}

/** Through the mount a lost view is but an EIO; the filter knows why. */
async function lostOrFailed({ client, answer }: Begun, path: string, error: unknown): Promise<UmbraError> {
  const reason = await client.lostReason(answer.token).catch(messageOf);
  if (reason === undefined) {
    return new UmbraError('IMAGE_FAILED', `${path} cannot be read as of the checkpoint: ${messageOf(error)}`, {
      cause: error,
    });
  }
  return new UmbraError('IMAGE_CHANGED', `the stable view of ${path} is lost: ${reason}`, {
    hint: 'Give the filter more side space, or try again when the machine writes less.',
    cause: error,
  });
}

async function* listed(ranges: Iterable<ByteRange>): AsyncGenerator<ChangedRange> {
  await Promise.resolve();
  yield* ranges;
}
