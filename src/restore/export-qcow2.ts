import { randomBytes } from 'node:crypto';
import { link, lstat, open, rename, unlink, type FileHandle } from 'node:fs/promises';
import path from 'node:path';

import type { NbdClient } from '../../agent/images/nbd/nbd-client.js';
import { startQemuNbd } from '../../agent/images/qemu-nbd.js';
import { runQemuImg } from '../../agent/images/qemu-program.js';
import { BLOCK_BYTES, REGION_BYTES } from '../codec/formats.js';
import type { Clock } from '../common/clock.js';
import { isUmbraError, systemCode, UmbraError } from '../common/errors.js';
import { mapInOrder } from '../common/map-in-order.js';
import type { ExportRequest, ExportResult, Progress } from '../protocol/api.js';
import type { ReadableStore } from '../store/readable-store.js';
import type { VolumeRecord } from '../store/records.js';
import { readMounts } from '../system/mounts.js';
import { unpackRegion } from '../tree/chunk-batch.js';
import type { ChunkRef } from '../tree/node.js';
import { TreeReader, type RegionLeaf } from '../tree/tree-reader.js';
import type { WorkerPool } from '../workers/pool.js';
import { findVolume } from './find-volume.js';
import { isFull, targetError } from './target-error.js';
import { assertNotInStore, resolveTarget } from './target-path.js';
import { syncDirectory } from '../system/sync-directory.js';

/** QEMU counts disks in sectors. */
const SECTOR_BYTES = 512;

export interface ExportOptions {
  readonly store: ReadableStore;
  readonly pool: WorkerPool;
  readonly clock: Clock;
  readonly request: ExportRequest;
  /** Absolute path of the store, into which nothing is exported; undefined for one that is elsewhere. */
  readonly storeDirectory: string | undefined;
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;
}

/**
 * Write a volume to a new qcow2 file, through qemu-nbd. Only data is written. A volume whose size is no multiple of 512
 * gets zeros up to the next one, since QEMU knows only whole sectors. The file has another name until it is complete; on
 * failure it is removed.
 *
 * @throws {UmbraError} NOT_FOUND, TARGET_EXISTS, TARGET_REFUSED, TARGET_FAILED, PROGRAM_MISSING, STORE_DAMAGED,
 *   STORE_FAILED, CANCELLED
 */
export async function exportQcow2(options: ExportOptions): Promise<ExportResult> {
  const { store, request, clock, storeDirectory } = options;
  const start = clock.monotonic();
  const listing = store.catalog.find(request.machine, request.version);
  const giveBack = await store.leases.take(listing, `an export to ${request.to}`);
  try {
    const record = await store.record(listing);
    const volume = findVolume(record, request.volume);
    const mounts = await readMounts();
    const file = await resolveTarget(request.to, mounts);
    await assertNotInStore(file, storeDirectory, mounts);
    const fileBytes = await writeWhole(options, volume, file);
    const seconds = (clock.monotonic() - start) / 1000;
    const { machine, name } = record;
    return {
      machine,
      shadowCopy: name,
      volume: volume.name,
      to: file,
      sizeBytes: volume.sizeBytes,
      fileBytes,
      seconds,
    };
  } finally {
    giveBack();
  }
}

/** @returns the file's size in bytes */
async function writeWhole(options: ExportOptions, volume: VolumeRecord, file: string): Promise<number> {
  if (await isThere(file)) throw alreadyThere(file);
  const partial = `${file}.${randomBytes(4).toString('hex')}.partial`;
  let handle: FileHandle | undefined;
  try {
    // Made here, for this user only: QEMU would make it for everybody.
    handle = await open(partial, 'wx', 0o600);
    await writeImage(options, volume, partial);
    await handle.sync();
    await giveName(partial, file);
    await syncDirectory(path.dirname(file));
    return (await handle.stat()).size;
  } catch (error) {
    throw exportError(file, error);
  } finally {
    await handle?.close();
    await unlink(partial).catch(() => undefined);
  }
}

/** Give a complete file its name, which nobody may have taken meanwhile. */
async function giveName(partial: string, file: string): Promise<void> {
  try {
    await link(partial, file);
  } catch (error) {
    if (systemCode(error) === 'EEXIST') throw alreadyThere(file, error);
    // A file system without hard links, like FAT.
    if (await isThere(file)) throw alreadyThere(file);
    await rename(partial, file);
  }
}

async function isThere(file: string): Promise<boolean> {
  try {
    await lstat(file);
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw targetError(file, error);
  }
}

function alreadyThere(file: string, cause?: unknown): UmbraError {
  return new UmbraError('TARGET_EXISTS', `${file} is there already`, { hint: 'Give the name of a new file.', cause });
}

async function writeImage(options: ExportOptions, volume: VolumeRecord, file: string): Promise<void> {
  const virtualBytes = Math.ceil(volume.sizeBytes / SECTOR_BYTES) * SECTOR_BYTES;
  await runQemuImg(file, ['create', '-q', '-f', 'qcow2', file, String(virtualBytes)]);
  const qemu = await startQemuNbd({ path: file, format: 'qcow2', writable: true, clock: options.clock });
  try {
    await writeData(options, volume, virtualBytes, qemu.client);
    await qemu.client.flush();
  } finally {
    await qemu.close();
  }
}

async function writeData(
  options: ExportOptions,
  volume: VolumeRecord,
  virtualBytes: number,
  client: NbdClient,
): Promise<void> {
  const { store, pool, signal, progress } = options;
  const tree = new TreeReader(store.reader, volume);
  const { sizeBytes } = volume;
  const what = `exporting ${volume.name}`;
  progress({ what, doneBytes: 0, totalBytes: sizeBytes });
  const writeRegion = async ({ region, leaf }: RegionLeaf): Promise<number> => {
    const chunks = await tree.chunksOfLeaf(leaf);
    const slot = await pool.slots.take();
    try {
      signal.throwIfAborted();
      await unpackRegion(store.reader, pool, chunks, slot);
      await writeRuns(client, Buffer.from(slot.region), region * REGION_BYTES, virtualBytes, chunks);
    } finally {
      pool.slots.giveBack(slot);
    }
    return Math.min((region + 1) * REGION_BYTES, sizeBytes);
  };
  for await (const doneBytes of mapInOrder(tree.leaves(), pool.size * 2, writeRegion)) {
    signal.throwIfAborted();
    progress({ what, doneBytes, totalBytes: sizeBytes });
  }
  progress({ what, doneBytes: sizeBytes, totalBytes: sizeBytes });
}

/** Write what the chunks of a region cover, chunks without a hole between them in one request. */
async function writeRuns(
  client: NbdClient,
  region: Buffer,
  offset: number,
  virtualBytes: number,
  chunks: readonly ChunkRef[],
): Promise<void> {
  const writes: Promise<void>[] = [];
  for (const [index, chunk] of chunks.entries()) {
    const before = chunks[index - 1];
    if (before !== undefined && before.firstBlock + before.blocks === chunk.firstBlock) continue;
    const start = chunk.firstBlock * BLOCK_BYTES;
    const end = Math.min(endOfRun(chunks, index) * BLOCK_BYTES, virtualBytes - offset);
    if (end > start) writes.push(client.write(region.subarray(start, end), offset + start));
  }
  // The memory is used again: all have ended when one fails.
  await Promise.allSettled(writes);
  await Promise.all(writes);
}

/** The block behind the run of chunks that begins with the one at `index`. */
function endOfRun(chunks: readonly ChunkRef[], index: number): number {
  let end = -1;
  for (const { firstBlock, blocks } of chunks.slice(index)) {
    if (end >= 0 && firstBlock !== end) break;
    end = firstBlock + blocks;
  }
  return end;
}

/** Programs and connections of QEMU speak of images; here the image is the target. */
function exportError(file: string, error: unknown): unknown {
  if (!isUmbraError(error, 'IMAGE_FAILED', 'IMAGE_FORMAT', 'IMAGE_IN_USE', 'TARGET_FAILED'))
    return targetError(file, error);
  if (isFull(error.cause)) return targetError(file, error.cause);
  return new UmbraError('TARGET_FAILED', `${file} cannot be written: ${error.message}`, { cause: error });
}
