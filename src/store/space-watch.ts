import { byteText } from '../common/byte-text.js';
import type { Clock } from '../common/clock.js';
import { UmbraError } from '../common/errors.js';
import type { DiskFigures } from './reserve.js';
import {
  fullInDays,
  spaceLimits,
  spaceState,
  type ChosenLimits,
  type SpaceLimits,
  type SpaceSample,
  type SpaceState,
} from './space.js';

/** It is looked again when so much was taken in, however fast. */
const LOOK_BYTES = 8 * 1024 * 1024;
/** What a forecast goes by: an hour apart, for a fortnight. */
const SAMPLE_MS = 3_600_000;
const MOST_SAMPLES = 14 * 24;

/** How much room the store has. */
export interface SpaceReport extends DiskFigures, SpaceLimits {
  readonly state: SpaceState;
  /** In how many days nothing is taken in any more, as it went since this server watches; absent if that is not known. */
  readonly fullInDays?: number;
}

export interface SpaceWatchOptions {
  /** @throws the system's error */
  readonly disk: () => Promise<DiskFigures>;
  readonly chosen: ChosenLimits;
  readonly clock: Clock;
}

/**
 * Watches the room on the store's disk, and lets nothing in while there is too little: what deletes and compacts needs some, too. Whoever takes
 * something in asks before each piece, so that however fast he is, no more comes than what is under way.
 */
export class SpaceWatch {
  readonly #options: SpaceWatchOptions;
  readonly #samples: SpaceSample[] = [];
  #report: SpaceReport | undefined;
  #sinceLook = Infinity;
  #listener: (report: SpaceReport) => void = nothing;

  constructor(options: SpaceWatchOptions) {
    this.#options = options;
  }

  /** Undefined until it has looked. */
  get report(): SpaceReport | undefined {
    return this.#report;
  }

  /** Call `listener` after each look from now on. */
  onLook(listener: (report: SpaceReport) => void): void {
    this.#listener = listener;
    if (this.#report !== undefined) listener(this.#report);
  }

  /** @throws the system's error */
  async look(): Promise<SpaceReport> {
    const disk = await this.#options.disk();
    this.#sinceLook = 0;
    this.#sample(disk);
    const limits = spaceLimits(disk, this.#options.chosen);
    const days = fullInDays(this.#samples, limits);
    const state = spaceState(disk, limits, this.#report?.state ?? 'ok');
    this.#report = { ...disk, ...limits, state, ...(days === undefined ? {} : { fullInDays: days }) };
    this.#listener(this.#report);
    return this.#report;
  }

  /** Refuse to begin what takes something in. @throws {UmbraError} STORE_FULL while there is too little room */
  assertRoom(): Promise<void> {
    return this.admit(0);
  }

  /** Ask to take in so many bytes. @throws {UmbraError} STORE_FULL while there is too little room; the system's error */
  async admit(bytes: number): Promise<void> {
    this.#sinceLook += bytes;
    if (this.#sinceLook >= LOOK_BYTES || this.#report?.state === 'stopped') await this.look();
    if (this.#report?.state === 'stopped') throw stoppedError(this.#report);
  }

  /** The last sample is of now; those before it are an hour apart. */
  #sample({ freeBytes }: DiskFigures): void {
    const [before, last] = this.#samples.slice(-2);
    if (before !== undefined && last !== undefined && last.atMs - before.atMs < SAMPLE_MS) this.#samples.pop();
    this.#samples.push({ atMs: this.#options.clock.monotonic(), freeBytes });
    if (this.#samples.length > MOST_SAMPLES) this.#samples.shift();
  }
}

function stoppedError({ freeBytes, stopBytes, resumeBytes, freeFiles }: SpaceReport): UmbraError {
  const isOfBytes = freeBytes < resumeBytes;
  const left = isOfBytes ? `${byteText(freeBytes)} are free` : `${freeFiles} more files can be made`;
  return new UmbraError('STORE_FULL', `the disk of the store is nearly full, so no shadow copies are made: ${left}`, {
    hint:
      `What is left below ${byteText(stopBytes)} is for deleting: "umbra prune --gc", or "umbra forget" and "umbra gc". ` +
      `It goes on by itself from ${byteText(resumeBytes)} on.`,
  });
}

function nothing(): void {
  // Nobody listens yet.
}
