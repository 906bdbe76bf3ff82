import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { requests } from '../../../src/client/requests.js';
import { isUmbraError } from '../../../src/common/errors.js';
import type { Random } from '../random.js';
import { ACTORS, actOn } from './field/actors.js';
import { checkAtRest } from './field/at-rest.js';
import { applyRhythm, startField, type Field, type FieldOptions } from './field/field.js';
import { Meter } from './field/meter.js';
import { busy, CALM } from './field/rhythms.js';
import { assertClear, inTime, protect, untilWell } from './fleet/checks.js';
import { strikesOf, type Strike } from './fleet/strikes.js';
import { Scope } from './scope.js';

/** How long everything goes on before it is looked at, in seconds. */
const LEAST_SECONDS = 25;
const MOST_SECONDS = 70;
/** What was struck stays so for so long at most. */
const DOWN_MS = 6000;
/** Between two strikes. */
const PAUSE_MS = 20_000;
const ASK_MS = 200;

/** The whole product, used as in the field, struck at random, and checked. */
export class FieldRun {
  /** How often what was done, or failed with what. */
  readonly counts = new Map<string, number>();
  readonly meter = new Meter();
  readonly #scope = new Scope();
  readonly #directory: string;
  readonly #random: Random;
  readonly #options: FieldOptions;
  #field: Field | undefined;
  #strikes: readonly Strike[] = [];

  /** @param directory short */
  constructor(directory: string, random: Random, options: FieldOptions) {
    this.#directory = directory;
    this.#random = random;
    this.#options = options;
  }

  /**
   * Use it for a while, and check it.
   * @param seconds how long, chosen when absent; nothing is struck in the first round of a run
   * @returns what was struck
   * @throws AssertionError if anything that was promised does not hold
   */
  async round(seconds = this.#random.between(LEAST_SECONDS, MOST_SECONDS)): Promise<readonly string[]> {
    const isFirst = this.#field === undefined;
    const field = (this.#field ??= await this.#start());
    await applyRhythm(field, busy(this.#random));
    const struck = await this.#storm(field, seconds, isFirst);
    await this.#calm(field);
    await checkAtRest(field, this.meter);
    return struck;
  }

  /** How many shadow copies there have been. */
  get shadowCopies(): number {
    return this.#field?.ledger.size ?? 0;
  }

  /** Leaves nothing mounted and nothing running. */
  async end(): Promise<void> {
    await this.#scope.end();
  }

  async #start(): Promise<Field> {
    const field = await startField(this.#scope, this.#directory, this.#random, this.#options);
    const [, remote] = field.mounts;
    const killed: Strike = {
      name: 'remote mount killed',
      strike: async () => {
        await remote.kill();
        return () => remote.ensure();
      },
    };
    this.#strikes = [...strikesOf(field.fleet, this.#random), killed];
    return field;
  }

  async #storm(field: Field, seconds: number, isFirst: boolean): Promise<readonly string[]> {
    const over = new AbortController();
    // Each of them waits for it, and so do we.
    setMaxListeners(ACTORS.length + 1, over.signal);
    const actors = ACTORS.map((actor) => actOn(actor, field, over.signal, this.#count));
    // Whoever finds something ends the storm at once.
    const all = Promise.all(actors).finally(() => {
      over.abort();
    });
    all.catch(() => undefined);
    const struck: string[] = [];
    const ends = performance.now() + seconds * 1000;
    const isOver = (): boolean => over.signal.aborted || performance.now() >= ends;
    while (!isOver()) {
      await pause(Math.min(this.#random.fraction() * PAUSE_MS, ends - performance.now()), over.signal);
      if (isFirst || isOver()) continue;
      const strike = this.#strikes[this.#random.below(this.#strikes.length)];
      if (strike === undefined) continue;
      struck.push(strike.name);
      const mend = await strike.strike();
      await pause(this.#random.fraction() * DOWN_MS, over.signal);
      await inTime(Promise.resolve(mend()), `${strike.name} is made good`);
    }
    over.abort();
    await all;
    return struck;
  }

  /** Nothing is due any more, what runs ends, and everybody is there. */
  async #calm(field: Field): Promise<void> {
    const { fleet, stills, mounts } = field;
    fleet.server.assertRunning();
    await inTime(mounts[1].end(), 'the remote mount ends');
    await inTime(
      retried(() => applyRhythm(field, CALM)),
      'calm policies hold',
    );
    for (const machine of [...fleet.machines, ...stills]) await retried(() => protect(fleet, machine));
    await inTime(untilIdle(field), 'jobs end');
    await untilWell(fleet);
  }

  readonly #count = (what: string): void => {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  };
}

/** No job of the scheduler's is open: what failed would be tried again in minutes, and is cancelled. */
async function untilIdle({ fleet: { server } }: Field): Promise<void> {
  for (;;) {
    const { jobs } = await server.client.call(requests.jobs({ limit: 0 }));
    if (jobs.length === 0) return;
    for (const { id } of jobs.filter(({ state }) => state === 'retrying')) {
      // It may have ended meanwhile.
      await server.client.call(requests.cancelJob({ id })).catch(assertClear);
    }
    await sleep(ASK_MS);
  }
}

/** What was struck last may still break it off. */
async function retried(work: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      await work();
      return;
    } catch (error) {
      assertClear(error);
      if (!isUmbraError(error, 'STORE_FULL') && !isUmbraError(error, 'STORE_IN_USE')) throw error;
    }
    await sleep(ASK_MS);
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(Math.max(0, ms), undefined, { signal }).catch(() => undefined);
}
