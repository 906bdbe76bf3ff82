import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { hostname } from 'node:os';
import { openIngest, type IngestTransport } from '../../agent/send/ingest-connection.js';
import { sendShadowCopy, type BaseShadowCopy } from '../../agent/send/send-shadow-copy.js';
import type { Checkpoint, CheckpointVolume } from '../../agent/trackers/tracker.js';
import type { Clock } from '../common/clock.js';
import { isUmbraError, UmbraError } from '../common/errors.js';
import type { BackupRequest, BackupResult, Progress, ShadowCopyInfo } from '../protocol/api.js';
import { readJson } from '../transport/answer.js';
import type { Message } from '../transport/message.js';
import { consistencyOf, openImages, readConfigs, type NamedImage, type OpenImage } from './open-images.js';

/** A server elsewhere. */
export interface ImageLink extends IngestTransport {
  send(message: Message): Promise<IncomingMessage>;
}

export interface SendImagesOptions {
  readonly link: ImageLink;
  readonly request: BackupRequest;
  readonly clock: Clock;
  /** Aborted when the user has had enough. */
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;
  /** How images are opened; as {@link openImages} does it, without it. */
  readonly openImage?: OpenImage;
}

/** How long a server elsewhere may be gone: as for everything that a command asks of it. */
const OUTAGE_LIMIT_MS = 30_000;

/**
 * Make a shadow copy of a machine on a server elsewhere, from disk images of this machine. They are read and cut here; the server
 * compares with its newest shadow copy, asks for the chunks that it lacks, and knows an image that has not changed since.
 *
 * @throws {UmbraError} IMAGE_*, BAD_NAME, BAD_ARGUMENT, what the server refuses it with, SERVER_UNREACHABLE, CANCELLED
 */
export async function sendImages(options: SendImagesOptions): Promise<BackupResult> {
  const { clock, request, signal } = options;
  const started = clock.monotonic();
  const config = await readConfigs(request.configs);
  const images = await openImages(request, options.openImage);
  try {
    const checkpoint = checkpointOf(images, config, options);
    const sent = await send(options, checkpoint);
    if (sent.volumes === undefined) throw new UmbraError('INTERNAL', 'the server does not say what it stored');
    const seconds = (clock.monotonic() - started) / 1000;
    return { machine: request.machine, shadowCopy: sent.shadowCopy, volumes: sent.volumes, seconds };
  } catch (error) {
    throw signal.aborted ? new UmbraError('CANCELLED', 'cancelled', { cause: error }) : error;
  } finally {
    await Promise.allSettled(images.map(({ image }) => image.close()));
  }
}

async function send(
  { link, request, clock, signal, progress }: SendImagesOptions,
  checkpoint: Checkpoint,
): ReturnType<typeof sendShadowCopy> {
  const { machine } = request;
  const { volumes } = checkpoint;
  const totalBytes = volumes.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return await sendShadowCopy({
    machine,
    tracker: 'scan',
    checkpoint,
    base: await newestOf(machine, link),
    connect: (until) => openIngest(link, until),
    clock,
    signal,
    outageLimitMs: OUTAGE_LIMIT_MS,
    saysWhenCancelled: true,
    onReached: (index, position) => {
      const before = volumes.slice(0, index).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
      progress({ what: `reading ${volumes[index]?.name ?? ''}`, doneBytes: before + position, totalBytes });
    },
  });
}

/** @returns undefined for a machine that the server has no shadow copy of */
async function newestOf(machine: string, link: ImageLink): Promise<BaseShadowCopy | undefined> {
  const path = `/v1/shadow-copies?machine=${encodeURIComponent(machine)}`;
  try {
    // The server is of the same protocol: that was checked with the request.
    const known = (await readJson(await link.send({ method: 'GET', path }))) as readonly ShadowCopyInfo[];
    return known.at(-1);
  } catch (error) {
    if (isUmbraError(error, 'NOT_FOUND')) return undefined;
    throw error;
  }
}

function checkpointOf(
  images: readonly NamedImage[],
  config: Checkpoint['config'],
  { clock, request }: SendImagesOptions,
): Checkpoint {
  return {
    id: randomBytes(8).toString('hex'),
    timeMs: clock.now(),
    consistency: consistencyOf(images),
    pauseMs: 0,
    notes: [],
    config,
    volumes: images.map((image) => volumeOf(image, request.reread)),
    assertUnchanged: async () => {
      for (const { image } of images) await image.assertUnchanged();
    },
    // Nothing is kept here, and who opened the images closes them.
    acknowledge: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
}

function volumeOf({ name, image }: NamedImage, reread: boolean): CheckpointVolume {
  const { path, format, sizeBytes, fingerprint } = image;
  return {
    name,
    path,
    format,
    sizeBytes,
    // Numbers of files name something on one machine only.
    ...(fingerprint === undefined ? {} : { fingerprint: `${hostname()} ${fingerprint}` }),
    changesKnown: fingerprint !== undefined && !reread,
    changes: nothing,
    extents: () => image.extents(),
    read: (target, offset) => image.read(target, offset),
  };
}

async function* nothing(): AsyncGenerator<never> {
  // An image that is as it was has no changes.
}
