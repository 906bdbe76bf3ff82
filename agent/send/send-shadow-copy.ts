import { setTimeout as sleep } from 'node:timers/promises';
import { isUmbraError, UmbraError } from '../../src/common/errors.js';
import type { Clock } from '../../src/common/clock.js';
import type { BackupVolumeResult } from '../../src/protocol/api.js';
import type { BeginFrame, BegunFrame, DoneFrame, EndFrame, Rest } from '../../src/protocol/ingest.js';
import type { TrackerKind } from '../../src/protocol/agents-api.js';
import type { Checkpoint, CheckpointVolume } from '../trackers/tracker.js';
import type { Connect } from './connection.js';
import { Fingerprints, FingerprintWriter } from './fingerprints.js';
import { UploadStream } from './upload-stream.js';
import { makeSlots, VolumeSender, type SendCounts } from './volume-sender.js';
import type { RegionSlots } from '../../src/workers/region-slots.js';
import { startThreads, type BackupThreads, type KeptPools } from './kept-pools.js';

/** The newest shadow copy of the machine on the server. */
export interface BaseShadowCopy {
  readonly shadowCopy: string;
  readonly volumes: readonly { readonly name: string; readonly sizeBytes: number; readonly root: string }[];
}

export interface SendOptions {
  readonly machine: string;
  readonly tracker: TrackerKind;
  readonly checkpoint: Checkpoint;
  /** Why not by a better tracker: kept with the shadow copy, as its notes are. */
  readonly trackerReason?: string | undefined;
  readonly base: BaseShadowCopy | undefined;
  readonly connect: Connect;
  /** Where the fingerprints of a volume are kept; absent for who keeps none, and has the server compare. */
  readonly fingerprintFile?: (volume: string) => string;
  /** Absent for who sends one alone. */
  readonly pools?: KeptPools;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** How long the network may be gone. */
  readonly outageLimitMs?: number;
  /** Tell the server when this is cancelled; an agent need not, whose task's end says it. */
  readonly saysWhenCancelled?: boolean;
  /** Called with how far a volume was read, the index of the volume first. */
  readonly onReached?: (volume: number, position: number) => void;
}

export interface Sent extends SendCounts {
  readonly shadowCopy: string;
  /** What was new to the store, if the server tells. */
  readonly volumes?: readonly BackupVolumeResult[];
}

const OUTAGE_LIMIT_MS = 9 * 60 * 1000;
/** How long somebody who has had enough waits for the server. */
const CANCEL_LIMIT_MS = 2_000;
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 15_000;

/**
 * Send a checkpoint to the server, over as many connections as it takes.
 * @throws {UmbraError} IMAGE_*, what the server refuses it with, SERVER_UNREACHABLE when it is gone for too long, CANCELLED
 */
export async function sendShadowCopy(options: SendOptions): Promise<Sent> {
  const sending = new Sending(options);
  try {
    return await sending.run();
  } finally {
    await sending.close();
  }
}

class Sending {
  readonly #options: SendOptions;
  /** By the monotonic clock. */
  readonly #checkpointMs: number;
  #threads: BackupThreads | undefined;
  /** Of this connection. */
  #slots: RegionSlots | undefined;
  #volumes: VolumeSender[] = [];
  #upload: string | undefined;
  /** Nothing broke off: what was begun in threads has ended. */
  #isSmooth = true;

  constructor(options: SendOptions) {
    this.#options = options;
    const { clock, checkpoint } = options;
    this.#checkpointMs = clock.monotonic() - Math.max(0, clock.now() - checkpoint.timeMs);
  }

  async run(): Promise<Sent> {
    const { clock, outageLimitMs = OUTAGE_LIMIT_MS } = this.#options;
    let lostMs: number | undefined;
    let waitMs = FIRST_WAIT_MS;
    for (;;) {
      try {
        return await this.#attempt(() => {
          lostMs = undefined;
          waitMs = FIRST_WAIT_MS;
        });
      } catch (error) {
        this.#isSmooth = false;
        this.#slots = makeSlots();
        this.#options.signal.throwIfAborted();
        if (isUmbraError(error, 'NOT_FOUND') && this.#upload !== undefined) {
          // The server was started anew, or has given the upload up.
          await this.#startOver();
          continue;
        }
        if (!isUmbraError(error, 'SERVER_UNREACHABLE', 'SERVER_STOPPING')) throw error;
        lostMs ??= clock.monotonic();
        if (clock.monotonic() - lostMs > outageLimitMs) throw error;
        await wait(waitMs, this.#options.signal);
        waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
      }
    }
  }

  async close(): Promise<void> {
    const { signal, saysWhenCancelled = false, pools } = this.#options;
    if (signal.aborted && saysWhenCancelled && this.#upload !== undefined) await this.#sayCancelled(this.#upload);
    await this.#startOver();
    const threads = this.#threads;
    if (threads !== undefined && this.#isSmooth && pools !== undefined) await pools.keep(threads);
    else await threads?.pool.close();
  }

  /** What can't be said now the server finds out by itself, later. */
  async #sayCancelled(upload: string): Promise<void> {
    const said = this.#options.connect(new AbortController().signal).then(async (connection) => {
      await connection.send({ t: 'giveUp', upload });
      await connection.frames[Symbol.asyncIterator]().next();
      connection.close();
    });
    await Promise.race([said.catch(() => undefined), sleep(CANCEL_LIMIT_MS)]);
  }

  async #startOver(): Promise<void> {
    this.#upload = undefined;
    const volumes = this.#volumes;
    this.#volumes = [];
    await Promise.all(volumes.map((volume) => volume.close()));
  }

  /** One connection, from its beginning to the end of the upload or its own. */
  async #attempt(onBegun: () => void): Promise<Sent> {
    const { connect, clock, signal, onReached } = this.#options;
    const stream = new UploadStream(await connect(signal), clock, signal, onReached);
    try {
      const plan = this.#upload === undefined ? await this.#plan() : undefined;
      const begun = await stream.begin(
        this.#upload === undefined ? this.#beginFrame(plan ?? []) : { t: 'resume', upload: this.#upload },
      );
      onBegun();
      if (plan !== undefined) await this.#prepare(plan, begun);
      if (begun.done !== undefined) return await this.#finish(begun.done);
      await this.#sendVolumes(stream, begun);
      await this.#options.checkpoint.assertUnchanged?.();
      await stream.end(this.#endFrame(), Buffer.concat(this.#options.checkpoint.config.map(({ data }) => data)));
      return await this.#finish(await stream.done());
    } finally {
      stream.close();
    }
  }

  async #sendVolumes(stream: UploadStream, { settled }: BegunFrame): Promise<void> {
    for (const [index, volume] of this.#volumes.entries()) {
      if (settled !== undefined && settled.volume > index) continue;
      await volume.send(stream, settled?.volume === index ? settled.region + 1 : 0);
    }
    await stream.settled();
  }

  /** What each volume could be built on. */
  async #plan(): Promise<readonly Planned[]> {
    const { base, checkpoint, fingerprintFile } = this.#options;
    const planned: Planned[] = [];
    for (const volume of checkpoint.volumes) {
      const before = base?.volumes.find(({ name }) => name === volume.name);
      const mayBuildOn = before !== undefined && before.sizeBytes <= volume.sizeBytes;
      const fingerprints =
        fingerprintFile !== undefined && before?.sizeBytes === volume.sizeBytes && !volume.changesKnown
          ? await Fingerprints.read(fingerprintFile(volume.name), before)
          : undefined;
      const rest: Rest = mayBuildOn && (volume.changesKnown || fingerprints !== undefined) ? 'base' : 'holes';
      planned.push({ volume, rest, fingerprints });
    }
    return planned;
  }

  #beginFrame(plan: readonly Planned[]): BeginFrame {
    const { machine, checkpoint, base } = this.#options;
    return {
      t: 'begin',
      machine,
      checkpoint: checkpoint.id,
      ...(base === undefined ? {} : { base: base.shadowCopy }),
      volumes: plan.map(({ volume: { name, path, format, sizeBytes, fingerprint }, rest }) => ({
        name,
        path,
        format,
        sizeBytes,
        rest,
        ...(fingerprint === undefined ? {} : { fingerprint }),
      })),
    };
  }

  async #prepare(plan: readonly Planned[], begun: BegunFrame): Promise<void> {
    this.#upload = begun.upload;
    const { cutting } = begun;
    const settings = { cutting: { ...cutting, seed: BigInt(`0x${cutting.seed}`) } };
    const threads = (): BackupThreads =>
      (this.#threads ??= this.#options.pools?.take(settings) ?? startThreads(settings));
    for (const [index, { volume, rest, fingerprints }] of plan.entries()) {
      const isBase = begun.rest[index] === 'base';
      const known = isBase && rest === 'base';
      const byChanges = known && volume.changesKnown;
      const writer = byChanges ? undefined : await this.#writerFor(volume);
      this.#volumes.push(
        new VolumeSender({
          index,
          volume,
          pool: () => threads().pool,
          slots: () => (this.#slots ??= threads().slots),
          byChanges,
          reread: begun.reread?.[index] ?? [],
          ...(known && fingerprints !== undefined ? { fingerprints } : {}),
          ...(writer === undefined ? {} : { writer }),
        }),
      );
    }
  }

  async #writerFor({ name }: CheckpointVolume): Promise<FingerprintWriter | undefined> {
    const { fingerprintFile } = this.#options;
    return fingerprintFile === undefined ? undefined : await FingerprintWriter.open(fingerprintFile(name));
  }

  #endFrame(): EndFrame {
    const { checkpoint, tracker, trackerReason, clock } = this.#options;
    const { consistency, pauseMs, config } = checkpoint;
    const why = trackerReason === undefined ? [] : [`no better tracker: ${trackerReason}`];
    return {
      t: 'end',
      ageMs: Math.round(clock.monotonic() - this.#checkpointMs),
      consistency,
      tracker,
      pauseMs: Math.round(pauseMs),
      notes: [...checkpoint.notes, ...why],
      config: config.map(({ name, data }) => ({ name, bytes: data.length })),
    };
  }

  async #finish(done: DoneFrame): Promise<Sent> {
    let readBytes = 0;
    let sentBytes = 0;
    for (const [index, volume] of this.#volumes.entries()) {
      await volume.finish(done.roots[index] ?? '');
      readBytes += volume.counts.readBytes;
      sentBytes += volume.counts.sentBytes;
    }
    const { shadowCopy, volumes } = done;
    return { shadowCopy, readBytes, sentBytes, ...(volumes === undefined ? {} : { volumes }) };
  }
}

interface Planned {
  readonly volume: CheckpointVolume;
  readonly rest: Rest;
  readonly fingerprints: Fingerprints | undefined;
}

/** It keeps the process alive: who sends waits for the network. @throws {UmbraError} CANCELLED */
async function wait(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
  if (signal.aborted) throw new UmbraError('CANCELLED', 'cancelled');
}
