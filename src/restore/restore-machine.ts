import { stat } from 'node:fs/promises';
import path from 'node:path';

import type { Clock } from '../common/clock.js';
import { systemCode, UmbraError } from '../common/errors.js';
import type { Progress, RestoreRequest, RestoreResult, RestoreVolumeResult } from '../protocol/api.js';
import { chainsOf, type StoredChain } from '../protocol/stored-chains.js';
import type { ReadableStore } from '../store/readable-store.js';
import type { ShadowCopyRecord, VolumeRecord } from '../store/records.js';
import { makeDirectories } from '../system/make-directory.js';
import { readMounts } from '../system/mounts.js';
import type { WorkerPool } from '../workers/pool.js';
import { writeConfigFiles } from './config-files.js';
import { damagedError } from './damaged-ranges.js';
import { findVolume } from './find-volume.js';
import { mergeChains } from './merge-chains.js';
import { VolumeRestore } from './restore-volume.js';
import { chainsToMerge, filePlaces } from './stored-files.js';
import { targetError } from './target-error.js';
import { assertNotInStore, resolveTarget } from './target-path.js';
import { syncDirectory } from '../system/sync-directory.js';
import { giveUpTarget, openTarget, type Target } from './target.js';

export interface RestoreOptions {
  readonly store: ReadableStore;
  readonly pool: WorkerPool;
  readonly clock: Clock;
  readonly request: RestoreRequest;
  /** Absolute path of the store, into which nothing is restored; undefined for one that is elsewhere. */
  readonly storeDirectory: string | undefined;
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;
}

interface Job {
  readonly volume: VolumeRecord;
  readonly target: Target;
}

/**
 * Restore one volume to a file or block device, or all volumes (`NAME.raw`) and the configuration (`config/`) into a
 * directory. Files that were stored as they lay go under their own names, or are merged into the disks that they make up. All targets are opened and checked before the first byte is written. A new file appears under its own name
 * at once, and an existing target is compared and changed only where it differs: so a restore that broke off is resumed
 * by running it again.
 *
 * Damaged parts are left out and the rest is restored; then it fails.
 *
 * @throws {UmbraError} NOT_FOUND, TARGET_REFUSED, TARGET_BUSY, TARGET_TOO_SMALL, TARGET_FAILED, STORE_DAMAGED,
 *   STORE_FAILED, CANCELLED
 */
export async function restore(options: RestoreOptions): Promise<RestoreResult> {
  const { store, request, clock } = options;
  const start = clock.monotonic();
  const listing = store.catalog.find(request.machine, request.version);
  const giveBack = await store.leases.take(listing, `a restore to ${request.to}`);
  try {
    const record = await store.record(listing);
    const toMerge = request.merge === true ? chainsToMerge(record, request.volume) : undefined;
    const directory = request.volume === undefined ? await makeDirectory(options, request.to) : undefined;
    const { volumes, damaged } =
      toMerge === undefined
        ? await restoreVolumes(options, await openTargets(options, record, directory))
        : { volumes: await merge(options, record, toMerge, directory), damaged: [] };
    const config = directory === undefined ? [] : await writeConfigFiles(path.join(directory, 'config'), record.config);
    if (damaged.length > 0) throw damagedError(`the restore of ${record.machine}@${record.name}`, damaged);
    const seconds = (clock.monotonic() - start) / 1000;
    return { machine: record.machine, shadowCopy: record.name, volumes, config, seconds };
  } finally {
    giveBack();
  }
}

/** The disks that the files of a machine make up. */
async function merge(
  { store, request, ...options }: RestoreOptions,
  record: ShadowCopyRecord,
  chains: readonly StoredChain[],
  directory: string | undefined,
): Promise<RestoreVolumeResult[]> {
  const fileOf = (disk: string): string => (directory === undefined ? request.to : path.join(directory, `${disk}.raw`));
  return await mergeChains({ ...options, reader: store.reader }, record, chains, fileOf);
}

/** A directory to restore to; made, with its parents, when it is not there. */
async function makeDirectory({ storeDirectory }: RestoreOptions, to: string): Promise<string> {
  const mounts = await readMounts();
  const directory = await resolveTarget(to, mounts);
  await assertNotInStore(directory, storeDirectory, mounts);
  try {
    const stats = await stat(directory).catch(ignoreMissing);
    if (stats !== undefined && !stats.isDirectory()) throw notDirectory(directory);
    for (const made of await makeDirectories(directory)) await syncDirectory(path.dirname(made));
  } catch (error) {
    throw targetError(directory, error);
  }
  return directory;
}

function notDirectory(file: string): UmbraError {
  return new UmbraError('TARGET_REFUSED', `${file} is not a directory`, {
    hint: 'Give --volume to restore one volume to a file or device, or a directory for all of them.',
  });
}

async function openTargets(
  options: RestoreOptions,
  record: ShadowCopyRecord,
  directory: string | undefined,
): Promise<Job[]> {
  const { request, storeDirectory } = options;
  const volumes = request.volume === undefined ? record.volumes : [findVolume(record, request.volume)];
  const places = filePlaces(chainsOf(record) ?? []);
  const jobs: Job[] = [];
  try {
    for (const volume of volumes) {
      const place = places.get(volume.name);
      const file = directory === undefined ? request.to : path.join(directory, place ?? `${volume.name}.raw`);
      if (directory !== undefined && place !== undefined) await makeDirectory(options, path.dirname(file));
      const { sizeBytes } = volume;
      const isImageFile = place !== undefined;
      jobs.push({ volume, target: await openTarget({ file, sizeBytes, storeDirectory, isImageFile }) });
    }
    return jobs;
  } catch (error) {
    await Promise.allSettled(jobs.map(({ target }) => giveUpTarget(target)));
    throw error;
  }
}

async function restoreVolumes(
  { store, pool, signal, progress }: RestoreOptions,
  jobs: readonly Job[],
): Promise<{ volumes: RestoreVolumeResult[]; damaged: string[] }> {
  const totalBytes = jobs.reduce((sum, { volume }) => sum + volume.sizeBytes, 0);
  const volumes: RestoreVolumeResult[] = [];
  const damagedParts: string[] = [];
  let doneBytes = 0;
  try {
    for (const { volume, target } of jobs) {
      const finished = doneBytes;
      const onPassed = (position: number): void => {
        progress({ what: `restoring ${volume.name}`, doneBytes: finished + position, totalBytes });
      };
      onPassed(0);
      const restored = await new VolumeRestore({ reader: store.reader, pool, volume, target, signal, onPassed }).run();
      volumes.push(restored.result);
      if (!restored.damaged.isEmpty) damagedParts.push(`${volume.name}: ${restored.damaged.describe()}`);
      doneBytes += volume.sizeBytes;
    }
  } finally {
    await Promise.allSettled(jobs.map(({ target }) => target.handle.close()));
  }
  return { volumes, damaged: damagedParts };
}

function ignoreMissing(error: unknown): undefined {
  if (systemCode(error) !== 'ENOENT') throw error;
  return undefined;
}
