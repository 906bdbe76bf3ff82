import { constants, open, type FileHandle } from 'node:fs/promises';
import path from 'node:path';

import type { DiskImage, OpenImageOptions } from '../../agent/images/image.js';
import { openImage } from '../../agent/images/open-image.js';
import type { Clock } from '../common/clock.js';
import { messageOf, UmbraError } from '../common/errors.js';
import { checkVolumeName } from '../common/names.js';
import type { BackupRequest, BackupResult, BackupVolumeResult, Consistency, Progress } from '../protocol/api.js';
import { CONSISTENCIES, type ConfigFile, type ShadowCopyRecord, type VolumeRecord } from '../store/records.js';
import type { IngestSession } from '../store/session.js';
import type { Store } from '../store/store.js';
import type { WorkerPool } from '../workers/pool.js';
import { VolumeBackup } from './backup-volume.js';

/** Configuration files are kept in the shadow copy's record; they are small. */
const MAX_CONFIG_BYTES = 4 * 1024 * 1024;

export interface BackupMachineOptions {
  readonly store: Store;
  readonly pool: WorkerPool;
  readonly clock: Clock;
  readonly request: BackupRequest;
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;
  /** How images are opened; as {@link openImage} does it, without it. */
  readonly openImage?: (path: string, options: OpenImageOptions) => Promise<DiskImage>;
}

interface NamedImage {
  readonly name: string;
  readonly image: DiskImage;
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
  const config = await readConfigs(request.configs);
  const images = await openImages(request, options.openImage ?? openImage);
  const previous = store.catalog.latest(request.machine);
  const giveBack = previous === undefined ? undefined : store.leases.take(previous);
  const session = store.openSession();
  try {
    const timeMs = clock.now();
    const before = previous === undefined ? undefined : await recordUnlessDamaged(store, previous);
    const { volumes, results } = await backUpVolumes(options, session, images, before);
    for (const { image } of images) await image.assertUnchanged();
    const record = await store.commit(session, {
      machine: request.machine,
      timeMs,
      consistency: worstOf(images.map(({ image }) => image.consistency)),
      tracker: 'scan',
      pauseMs: 0,
      volumes,
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
): Promise<{ volumes: VolumeRecord[]; results: BackupVolumeResult[] }> {
  const totalBytes = images.reduce((sum, { image }) => sum + image.sizeBytes, 0);
  const volumes: VolumeRecord[] = [];
  const results: BackupVolumeResult[] = [];
  let doneBytes = 0;
  for (const { name, image } of images) {
    const parent = before?.volumes.find((volume) => volume.name === name);
    const source = originOf(image);
    const { store, pool, signal, progress } = options;
    const distrustParent = store.objectStore.hasDamage;
    if (parent !== undefined && !options.request.reread && !distrustParent && isUnchanged(parent, image)) {
      volumes.push({ ...parent, source });
      results.push(unchangedResult(parent));
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
      const { root, dataBytes, result } = await backup.run();
      volumes.push({ name, sizeBytes: image.sizeBytes, dataBytes, root, source });
      results.push(result);
    }
    doneBytes += image.sizeBytes;
    progress({ what: `reading ${name}`, doneBytes, totalBytes });
  }
  return { volumes, results };
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

function worstOf(consistencies: readonly Consistency[]): Consistency {
  return CONSISTENCIES[Math.max(...consistencies.map((consistency) => CONSISTENCIES.indexOf(consistency)))] ?? 'crash';
}

async function openImages(
  request: BackupRequest,
  open: NonNullable<BackupMachineOptions['openImage']>,
): Promise<NamedImage[]> {
  const names = volumeNames(request.images);
  const opened: NamedImage[] = [];
  try {
    for (const [index, { path: file, format }] of request.images.entries()) {
      const image = await open(file, format === undefined ? {} : { format });
      opened.push({ name: names[index] ?? '', image });
    }
    return opened;
  } catch (error) {
    await Promise.allSettled(opened.map(({ image }) => image.close()));
    throw error;
  }
}

/**
 * Given names, and `vda`, `vdb`, … `vdz`, `vdaa`, … in order for the images that have none.
 * @throws {UmbraError} BAD_ARGUMENT, BAD_NAME
 */
export function volumeNames(images: readonly { readonly name?: string }[]): string[] {
  if (images.length === 0) throw new UmbraError('BAD_ARGUMENT', 'a backup needs at least one disk image');
  const given = new Set<string>();
  for (const { name } of images) {
    if (name === undefined) continue;
    if (given.has(checkVolumeName(name))) {
      throw new UmbraError('BAD_ARGUMENT', `two images are named "${name}"`, {
        hint: 'Give each volume a name of its own.',
      });
    }
    given.add(name);
  }
  return images.map(({ name }, index) => {
    const chosen = name ?? `vd${letters(index)}`;
    if (name === undefined && given.has(chosen)) {
      throw new UmbraError(
        'BAD_ARGUMENT',
        `the ${index + 1}. image would be "${chosen}", which another image is named`,
        {
          hint: `Name it too: --name NAME=IMAGE`,
        },
      );
    }
    return chosen;
  });
}

function letters(index: number): string {
  const last = String.fromCharCode(97 + (index % 26));
  return index < 26 ? last : letters(Math.floor(index / 26) - 1) + last;
}

async function readConfigs(paths: readonly string[]): Promise<ConfigFile[]> {
  const files: ConfigFile[] = [];
  let room = MAX_CONFIG_BYTES;
  for (const file of paths) {
    const name = path.basename(file);
    if (files.some((other) => other.name === name)) {
      throw new UmbraError('BAD_ARGUMENT', `two configuration files are named "${name}"`);
    }
    const data = await readConfig(file, room);
    room -= data.length;
    files.push({ name, data });
  }
  return files;
}

async function readConfig(file: string, room: number): Promise<Buffer> {
  let handle: FileHandle | undefined;
  try {
    // A named pipe would make an open that waits hang for good.
    handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    const stat = await handle.stat();
    if (!stat.isFile()) throw new UmbraError('BAD_ARGUMENT', `the configuration ${file} is not a file`);
    // The size says nothing of a file that grows, or that the kernel makes up.
    const data = stat.size > room ? undefined : await handle.readFile();
    if (data !== undefined && data.length <= room) return data;
    throw new UmbraError('BAD_ARGUMENT', `the configuration ${file} is too large`, {
      hint: `All configuration files together may have ${MAX_CONFIG_BYTES} bytes; give a disk image as IMAGE.`,
    });
  } catch (cause) {
    if (cause instanceof UmbraError) throw cause;
    throw new UmbraError('BAD_ARGUMENT', `the configuration ${file} cannot be read: ${messageOf(cause)}`, { cause });
  } finally {
    await handle?.close();
  }
}
