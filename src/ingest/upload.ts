import { REGION_BYTES } from '../codec/formats.js';
import { randomBytes } from 'node:crypto';
import { isUmbraError, UmbraError } from '../common/errors.js';
import type { WireFrame } from '../protocol/frames.js';
import {
  type AgentFrame,
  type BeginFrame,
  type BlocksFrame,
  type DoneFrame,
  type LeafFrame,
  type BegunFrame,
  type EndFrame,
  type RegionPlace,
  type Rest,
  type ServerFrame,
} from '../protocol/ingest.js';
import type { BackupVolumeResult } from '../protocol/api.js';
import type { ShadowCopyRecord } from '../store/records.js';
import type { IngestSession } from '../store/session.js';
import { parseAgentFrame } from './agent-frames.js';
import { assertAge } from './assert-age.js';
import { checkBegin } from './check-begin.js';
import { configFiles } from './config-files.js';
import { RegionsUnderWay, type RegionUnderWay } from './regions-under-way.js';
import type { Sender } from './sender.js';
import { openBases, type Bases } from './upload-base.js';
import type { UploadConnection, UploadParts } from './upload-parts.js';
import { VolumeIngest, type Data } from './volume-ingest.js';

const NOTHING: ReadonlySet<number> = new Set();

/**
 * A shadow copy, or a replica, on its way from an agent, over one connection after another: all volumes or nothing. What was stored when it is
 * given up stays in the store for the next attempt, until it is collected.
 */
export class Upload {
  readonly id = randomBytes(16).toString('hex');
  readonly machine: string;
  readonly sender: Sender;
  readonly #parts: UploadParts;
  readonly #begin: BeginFrame;
  readonly #session: IngestSession;
  /** None once it is over. */
  #volumes: readonly VolumeIngest[];
  /** What is known of them then. */
  #left: Left | undefined;
  readonly #giveBack: () => void;
  readonly #beganMs: number;
  #connection: UploadConnection | undefined;
  readonly #underWay = new RegionsUnderWay();
  #settling: Promise<void> = Promise.resolve();
  #settled: RegionPlace | undefined;
  #failure: { readonly error: unknown } | undefined;
  #isOver = false;
  /** Bytes up to which the agent has read, over all volumes. */
  position = 0;

  private constructor(parts: UploadParts, sender: Sender, begin: BeginFrame, { base, newest, giveBack }: Bases) {
    this.#parts = parts;
    this.sender = sender;
    this.machine = begin.machine;
    this.#begin = begin;
    this.#beganMs = parts.clock.monotonic();
    this.#giveBack = giveBack;
    this.#session = parts.store.openSession();
    const sent = parts.hostChunks.of(sender.name);
    this.#volumes = begin.volumes.map(
      (volume) =>
        new VolumeIngest({
          volume,
          base: base?.record.volumes.find(({ name }) => name === volume.name),
          reread: base?.reread.get(volume.name) ?? NOTHING,
          previous: newest?.volumes.find(({ name }) => name === volume.name),
          store: parts.store,
          session: this.#session,
          pool: parts.pool,
          sent,
        }),
    );
  }

  /** @throws {UmbraError} BAD_ARGUMENT */
  static async begin(parts: UploadParts, sender: Sender, begin: BeginFrame): Promise<Upload> {
    checkBegin(sender, begin);
    return new Upload(parts, sender, begin, await openBases(parts.store, begin, parts.kind));
  }

  get totalBytes(): number {
    return this.#begin.volumes.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  /** Plain bytes of the chunks that the store did not have; nothing for the agent to know. */
  get newBytes(): number {
    return this.#left?.newBytes ?? this.#volumes.reduce((sum, { writer }) => sum + writer.counts.newBytes, 0);
  }

  /** What was stored of each volume, once all of it is. */
  get results(): readonly BackupVolumeResult[] {
    return this.#left?.results ?? this.#volumes.map((volume) => volume.result);
  }

  get isAttached(): boolean {
    return this.#connection !== undefined;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Answer on this connection from now on. @param done if it is complete */
  attach(connection: UploadConnection, done?: DoneFrame): void {
    if (this.#connection !== undefined) throw new UmbraError('MACHINE_BUSY', 'the upload has a connection already');
    this.#connection = connection;
    const { seed, zeroBits, window, maxBlocks } = this.#parts.store.format.cutting;
    const reread = this.#volumes.map((volume) => volume.reread);
    const begun: BegunFrame = {
      t: 'begun',
      upload: this.id,
      rest: this.#left?.rest ?? this.#volumes.map(({ rest }) => rest),
      ...(reread.some((regions) => regions.length > 0) ? { reread } : {}),
      cutting: { seed: seed.toString(16).padStart(16, '0'), zeroBits, window, maxBlocks },
      ...(this.#settled === undefined ? {} : { settled: this.#settled }),
      ...(done === undefined ? {} : { done }),
    };
    connection.send(begun);
  }

  /** The connection is lost: what is not settled is as if it had not come. */
  async detach(): Promise<void> {
    this.#connection = undefined;
    this.#underWay.lost();
    await this.#settling;
    for (const volume of this.#volumes) await volume.abandon();
    this.#underWay.reset(this.#settled);
  }

  /**
   * Take a frame; they are taken one after the other.
   * @returns the record of the shadow copy, once it is made
   * @throws {UmbraError} BAD_ARGUMENT for what breaks the protocol; STORE_FULL and the like. The upload is over then.
   */
  async take({ release = nothing, ...frame }: WireFrame): Promise<ShadowCopyRecord | undefined> {
    const data = { bytes: frame.body, release };
    try {
      if (this.#failure !== undefined) throw this.#failure.error;
      const message = parseAgentFrame(frame);
      if (message.t === 'blocks') await this.#takeBlocks(message, data);
      else if (message.t === 'chunks') this.#underWay.take(message, data);
      else return await this.#takeSmall(message, frame.body).finally(release);
      return undefined;
    } catch (error) {
      release();
      throw error;
    }
  }

  async #takeSmall(message: AgentFrame, body: Buffer): Promise<ShadowCopyRecord | undefined> {
    switch (message.t) {
      case 'leaf':
        await this.#takeLeaf(message, body);
        return undefined;
      case 'alive':
        this.#setPosition(message.volume, message.position);
        return undefined;
      case 'end':
        return await this.#finish(message, body);
      default:
        throw wrong(`a frame "${message.t}" does not belong here`);
    }
  }

  /** It can't be stored any more: whoever sends is told. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#connection?.fail(error);
  }

  /** Nothing more comes of it. Idempotent. */
  async end(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    await this.detach();
    this.#session.end();
    this.#giveBack();
    // Whoever comes back is answered for a while: the trees and counts of the volumes are of no use to anybody.
    this.#left = { rest: this.#volumes.map(({ rest }) => rest), results: this.results, newBytes: this.newBytes };
    this.#volumes = [];
  }

  #takeBlocks(message: BlocksFrame, data: Data): Promise<void> {
    return this.#takeRegion(message, (volume) => volume.submitBlocks(message, data));
  }

  #takeLeaf(message: LeafFrame, leaf: Buffer): Promise<void> {
    return this.#takeRegion(message, (volume, place) =>
      volume.submitLeaf(message.region, leaf, (wanted) =>
        this.#underWay.fetch(place, leaf, wanted, this.#connection?.send),
      ),
    );
  }

  async #takeRegion(
    { volume: index, region }: RegionPlace,
    submit: (volume: VolumeIngest, place: RegionUnderWay) => Promise<void>,
  ): Promise<void> {
    const volume = this.#volumes[index];
    if (volume === undefined) throw wrong(`there is no volume ${index}`);
    const place = this.#underWay.begin({ volume: index, region });
    await submit(volume, place);
    this.#setPosition(index, region * REGION_BYTES);
    this.#settling = this.#settling.then(() => this.#settleNext(volume, place));
  }

  async #settleNext(volume: VolumeIngest, place: RegionUnderWay): Promise<void> {
    if (this.#failure !== undefined || this.#connection === undefined) return;
    try {
      await volume.settle();
    } catch (error) {
      // What a lost connection breaks off comes again.
      if (isUmbraError(error, 'CANCELLED') && !this.isAttached) return;
      this.fail(error);
      return;
    }
    this.#underWay.settled(place);
    this.#settled = { volume: place.volume, region: place.region };
    this.#say({ t: 'settled', ...this.#settled });
  }

  async #finish(end: EndFrame, body: Buffer): Promise<ShadowCopyRecord> {
    await this.#settling;
    if (this.#failure !== undefined) throw this.#failure.error;
    const config = configFiles(end, body);
    const volumes = [];
    for (const volume of this.#volumes) volumes.push(await volume.finish());
    assertAge(end, this.#parts.clock.monotonic() - this.#beganMs);
    const { machine, checkpoint } = this.#begin;
    const { consistency, tracker, pauseMs, notes } = end;
    const record = {
      machine,
      timeMs: this.#parts.clock.now() - end.ageMs,
      consistency,
      tracker,
      pauseMs,
      volumes,
      changes: this.#volumes.flatMap(({ changes }) => changes),
      config,
      ...(this.sender.host === undefined ? {} : { host: this.sender.host, checkpoint, notes }),
    };
    const { store, kind } = this.#parts;
    return kind === 'replicate'
      ? await store.commitReplica(this.#session, record)
      : await store.commit(this.#session, record);
  }

  /** Once the connection is lost nobody hears it. */
  #say(frame: ServerFrame): void {
    this.#connection?.send(frame);
  }

  #setPosition(index: number, position: number): void {
    const before = this.#begin.volumes.slice(0, index).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    this.position = Math.min(before + position, this.totalBytes);
  }
}

/** What an upload is asked for when it is over. */
interface Left {
  readonly rest: readonly Rest[];
  readonly results: readonly BackupVolumeResult[];
  readonly newBytes: number;
}

function wrong(what: string): UmbraError {
  return new UmbraError('BAD_ARGUMENT', what);
}

function nothing(): void {
  // There is no body to release.
}
