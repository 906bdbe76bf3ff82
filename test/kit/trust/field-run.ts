import { setTimeout as sleep } from 'node:timers/promises';
import { requests } from '../../../src/client/requests.js';
import { isUmbraError } from '../../../src/common/errors.js';
import type { Random } from '../random.js';
import { checkAtRest } from './field/at-rest.js';
import { checkFarewell } from './field/farewell.js';
import { applyRhythm, startField, type Field, type FieldOptions } from './field/field.js';
import { Meter } from './field/meter.js';
import { planOf } from './field/plan.js';
import { busy, CALM } from './field/rhythms.js';
import { storm } from './field/storm.js';
import { assertClear, inTime, protect, untilWell } from './fleet/checks.js';
import { singleStrikesOf, type Strike } from './fleet/strikes.js';
import { Scope } from './scope.js';

const ASK_MS = 200;
/** What an interruption finds half done has so long to come to its end by itself. */
const GRACE_MS = 10_000;

/** A round was given up since somebody wants to stop: nothing is known of it. */
export class Interrupted extends Error {
  constructor() {
    super('interrupted');
  }
}

export interface FieldRunOptions extends FieldOptions {
  /** Short; all that the run makes is in it. */
  readonly directory: string;
  readonly random: Random;
  /** Gives up what runs, at once. */
  readonly interrupted: AbortSignal;
  /** Told how far it is, in lines for people. */
  readonly say: (line: string) => void;
}

/** The whole product, used as in the field, struck at random, and checked. */
export class FieldRun {
  readonly meter = new Meter();
  readonly #scope = new Scope();
  readonly #options: FieldRunOptions;
  #field: Field | undefined;
  /** What runs, or ran last. */
  #work: Promise<unknown> = Promise.resolve();

  constructor(options: FieldRunOptions) {
    this.#options = options;
  }

  /**
   * Use it for a while, and check it. Nothing is struck in the first round.
   * @throws AssertionError, Error if anything that was promised does not hold
   * @throws Interrupted
   */
  async round(): Promise<void> {
    await this.#unlessInterrupted(this.#round());
  }

  /** Nothing is protected any more, and nothing of ours is left in any machine. @throws as {@link round} */
  async farewell(): Promise<void> {
    const field = this.#field;
    if (field === undefined) return;
    this.#options.say('  farewell: every machine is unprotected, and has nothing of ours left');
    await this.#unlessInterrupted(checkFarewell(field));
  }

  /** Ends everything, whatever runs. */
  async end(): Promise<void> {
    const settled = Promise.allSettled([this.#work]);
    await Promise.race([settled, sleep(GRACE_MS)]);
    await this.#scope.end();
    // What was at it fails now; and what it has begun meanwhile ends, too.
    await Promise.race([settled, sleep(GRACE_MS)]);
    await this.#scope.end();
  }

  /** End server and agent, and copy what they have, for a look at what was found. */
  async keep(): Promise<void> {
    const { fleet } = this.#field ?? {};
    if (fleet === undefined) return;
    // One that has ended by itself may be what was found.
    await Promise.allSettled([fleet.server.kill(), fleet.agent.kill()]);
    for (const disk of [fleet.serverDisk, fleet.agentDisk]) disk.release();
    await fleet.keep(this.#options.directory);
  }

  async #unlessInterrupted(work: Promise<void>): Promise<void> {
    const { interrupted } = this.#options;
    this.#work = work;
    const over = new AbortController();
    const interruption = new Promise<never>((_resolve, reject) => {
      const stop = (): void => {
        reject(new Interrupted());
      };
      if (interrupted.aborted) stop();
      interrupted.addEventListener('abort', stop, { once: true, signal: over.signal });
    });
    try {
      await Promise.race([work, interruption]);
    } catch (error) {
      work.catch(() => undefined);
      // What fails from then on may do so since everything is ended.
      throw interrupted.aborted ? new Interrupted() : error;
    } finally {
      over.abort();
    }
  }

  async #round(): Promise<void> {
    const { say, interrupted, random: ofRun } = this.#options;
    // One number of the run's each round: what a round does with its own changes nothing for the next.
    const random = ofRun.fork();
    const isFirst = this.#field === undefined;
    const field = (this.#field ??= await this.#start(random.fork()));
    const strikes = this.#strikes(field, random.fork());
    const names = strikes.map(({ name }) => name);
    const plan = planOf(random.fork(), isFirst, names);
    const what = plan.steps.length === 0 ? 'nothing is struck, so nothing may fail' : `${plan.steps.length} strikes`;
    say(`  storm of ${plan.seconds} s: ${what}`);
    await applyRhythm(field, busy(random));
    await storm({ field, strikes, plan, random: random.fork(), interrupted, say });
    if (interrupted.aborted) throw new Interrupted();
    say('  calm: nothing is due, what runs ends, everybody comes back');
    await comeToRest(field);
    await checkAtRest(field, this.meter, say);
    field.tally.rounds++;
  }

  async #start(random: Random): Promise<Field> {
    this.#options.say('  starting server, agent and machines, and making the first shadow copies');
    return await startField(this.#scope, this.#options.directory, random, this.#options);
  }

  #strikes({ fleet, mounts }: Field, random: Random): Strike[] {
    const [, remote] = mounts;
    const killed: Strike = {
      name: 'remote mount killed',
      strike: async () => {
        await remote.kill();
        return () => remote.ensure();
      },
    };
    return [...singleStrikesOf(fleet, random), killed];
  }
}

/** Nothing is due any more, what runs ends, and everybody is there. */
async function comeToRest(field: Field): Promise<void> {
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
