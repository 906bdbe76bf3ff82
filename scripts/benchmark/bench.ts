import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { BenchError, reasonOf } from './bench-error.js';
import { Borg } from './borg.js';
import type { Contender, ContenderName } from './contender.js';
import { forgetOneOfMany } from './forget.js';
import { provideInput, type Input } from './input.js';
import { log } from './log.js';
import type { BenchOptions } from './options.js';
import { makeReport, type Report } from './report.js';
import { Restic } from './restic.js';
import { type RoundContext, runRound } from './round.js';
import { addSample, type Samples, type ScenarioName } from './scenarios.js';
import { Umbra } from './umbra.js';

/** Runs what `options` ask for. Temporary stores are gone when it returns or throws. */
export class Bench {
  readonly #samples: Samples = {};
  readonly #versions: Partial<Record<ContenderName, string>> = {};
  readonly #failures: string[] = [];

  constructor(
    private readonly options: BenchOptions,
    private readonly workDir: string,
    private readonly signal: AbortSignal,
  ) {}

  /** A contender that fails is left out of the rest of its round; the report says so. */
  async run(): Promise<Report> {
    const { cache, scale, seed, rounds, contenders, only } = this.options;
    const input = await provideInput(cache, scale, seed, this.signal);
    const inRounds = only.some((name) => name !== 'forget');
    for (let round = 0; inRounds && round < rounds; round += 1) {
      // Each round begins with another one, so that none always finds the disk as the same neighbour left it.
      const first = round % contenders.length;
      for (const name of [...contenders.slice(first), ...contenders.slice(0, first)]) {
        log(`round ${round + 1} of ${rounds}: ${name}`);
        await this.#turn(name, input, runRound);
      }
    }
    for (const name of only.includes('forget') ? contenders : []) {
      log(`forget: ${name}`);
      await this.#turn(name, input, (context) => forgetOneOfMany(context, rounds));
    }
    return makeReport(this.options, input, this.#versions, this.#samples, this.#failures);
  }

  async #turn(name: ContenderName, input: Input, measure: (context: RoundContext) => Promise<void>): Promise<void> {
    const dir = path.join(this.workDir, name);
    mkdirSync(dir, { recursive: true });
    const contender = makeContender(name, path.join(dir, 'contender'), this.signal);
    try {
      this.#versions[name] ??= await contender.version();
      await measure(this.#context(contender, input, dir));
    } catch (error) {
      this.#failed(name, error);
    } finally {
      await contender.close().catch((error: unknown) => {
        this.#failed(name, error);
      });
      rmSync(dir, { recursive: true, force: true });
    }
    if (this.signal.aborted) throw new BenchError('interrupted');
  }

  #context(contender: Contender, input: Input, dir: string): RoundContext {
    const { scale, seed, only } = this.options;
    return {
      contender,
      input,
      scale,
      seed,
      dir,
      wanted: (...scenarios: ScenarioName[]) => scenarios.some((scenario) => only.includes(scenario)),
      record: (row, value) => {
        addSample(this.#samples, row, contender.name, value);
      },
    };
  }

  #failed(name: ContenderName, error: unknown): void {
    if (this.signal.aborted) return;
    const failure = `${name}: ${reasonOf(error)}`;
    log(failure);
    this.#failures.push(failure);
  }
}

function makeContender(name: ContenderName, dir: string, signal: AbortSignal): Contender {
  switch (name) {
    case 'umbra':
      return new Umbra(dir, signal);
    case 'borg':
      return new Borg(dir, signal);
    case 'restic':
      return new Restic(dir, signal);
  }
}
