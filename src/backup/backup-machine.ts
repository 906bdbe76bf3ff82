import type { DiskImage } from '../../agent/images/image.js';
import type { Clock } from '../common/clock.js';
import { UmbraError } from '../common/errors.js';
import type { BackupRequest, BackupResult, BackupVolumeResult, Progress } from '../protocol/api.js';
import type { ShadowCopyRecord, VolumeRecord } from '../store/records.js';
import type { VolumeChange } from '../store/shadow-copy-change.js';
import type { IngestSession } from '../store/session.js';
import type { Store } from '../store/store.js';
import type { WorkerPool } from '../workers/pool.js';
import { VolumeBackup } from './backup-volume.js';
import { ChangeCount } from './change-count.js';
import { consistencyOf, openImages, readConfigs, type NamedImage, type OpenImage } from './open-images.js';

export interface BackupMachineOptions {
  readonly store: Store;
  readonly pool: WorkerPool;
  readonly clock: Clock;
  readonly request: BackupRequest;
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;
  /** How images are opened; as {@link openImages} does it, without it. */
  readonly openImage?: OpenImage;
}

/**
 * Make a shadow copy of a machine from its disk images: all volumes or nothing. Whatever was stored when it fails
 * stays in the store for the next attempt, until it is collected.
 *
 * @throws {UmbraError} IMAGE_*, BAD_NAME, BAD_ARGUMENT, STORE_*, CANCELLED
 */
export async function backUpMachine(options: BackupMachineOptions): Promise<BackupResult> {
  const { store, clock, request } = options;
  const start = clock.monotonic();
  await store.objectStore.assertRoom();
  const config = await readConfigs(request.configs);
  const images = await openImages(request, options.openImage);
  const previous = store.catalog.latest(request.machine);
  const giveBack = previous === undefined ? undefined : store.leases.take(previous);
  const session = store.openSession();
  try {
    const timeMs = clock.now();
    const before = previous === undefined ? undefined : await recordUnlessDamaged(store, previous);
    const { volumes, results, changes } = await backUpVolumes(options, session, images, before);
    for (const { image } of images) await image.assertUnchanged();
    const record = await store.commit(session, {
      machine: request.machine,
      timeMs,
      consistency: consistencyOf(images),
      tracker: 'scan',
      pauseMs: 0,
      volumes,
      changes,
      config,
    });
    const seconds = (clock.monotonic() - start) / 1000;
    return { machine: record.machine, shadowCopy: record.name, volumes: results, seconds };
  } finally {
    session.end();
    giveBack?.();
    await Promise.allSettled(images.map(({ image }) => image.close()));
  }
}

async function backUpVolumes(
  options: BackupMachineOptions,
  session: IngestSession,
  images: readonly NamedImage[],
  before: ShadowCopyRecord | undefined,
): Promise<{ volumes: VolumeRecord[]; results: BackupVolumeResult[]; changes: VolumeChange[] }> {
  const totalBytes = images.reduce((sum, { image }) => sum + image.sizeBytes, 0);
  const volumes: VolumeRecord[] = [];
  const results: BackupVolumeResult[] = [];
  const changes: VolumeChange[] = [];
  let doneBytes = 0;
  for (const { name, image } of images) {
    const parent = before?.volumes.find((volume) => volume.name === name);
    const source = originOf(image);
    const { store, pool, signal, progress } = options;
    const distrustParent = parent !== undefined && (await store.objectStore.survey.isTouched(parent, signal));
    if (parent !== undefined && !options.request.reread && !distrustParent && isUnchanged(parent, image)) {
      volumes.push({ ...parent, source });
      results.push(unchangedResult(parent));
      changes.push(...new ChangeCount(parent, store.reader, session).result());
    } else {
      const finished = doneBytes;
      const onRead = (position: number): void => {
        progress({ what: `reading ${name}`, doneBytes: finished + position, totalBytes });
      };
      const backup = new VolumeBackup({
        name,
        image,
        session,
        pool,
        reader: store.reader,
        parent,
        distrustParent,
        signal,
        onRead,
      });
      const { root, dataBytes, result, changes: changed } = await backup.run();
      volumes.push({ name, sizeBytes: image.sizeBytes, dataBytes, root, source });
      results.push(result);
      changes.push(...changed);
    }
    doneBytes += image.sizeBytes;
    progress({ what: `reading ${name}`, doneBytes, totalBytes });
  }
  return { volumes, results, changes };
}

/** True if the image has the content that `parent` was made from, as its size and times say. */
function isUnchanged(parent: VolumeRecord, image: DiskImage): boolean {
  const { fingerprint, path: from } = parent.source;
  return (
    fingerprint !== undefined &&
    fingerprint === image.fingerprint &&
    from === image.path &&
    parent.sizeBytes === image.sizeBytes
  );
}

function unchangedResult({ name, sizeBytes, dataBytes }: VolumeRecord): BackupVolumeResult {
  return { name, sizeBytes, dataBytes, changedBytes: 0, newChunks: 0, newBytes: 0, storedBytes: 0 };
}

function originOf(image: DiskImage): VolumeRecord['source'] {
  const { path: from, format, fingerprint } = image;
  return { path: from, format, ...(fingerprint === undefined ? {} : { fingerprint }) };
}

async function recordUnlessDamaged(
  store: Store,
  listing: Parameters<Store['record']>[0],
): Promise<ShadowCopyRecord | undefined> {
  try {
    return await store.record(listing);
  } catch (error) {
    if (error instanceof UmbraError && error.code === 'STORE_DAMAGED') return undefined;
    throw error;
  }
}
