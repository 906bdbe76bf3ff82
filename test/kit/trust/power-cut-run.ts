import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { mountPowerCutFs, type PowerCutFs } from '../power-cut-fs.js';
import type { Random } from '../random.js';
import { hostedUmbraAt } from '../hosted-umbra.js';
import type { Umbra } from '../umbra-program.js';
import { checkRebuild, checkStore } from './check.js';
import { TestMachine } from './machine.js';
import { Model } from './model.js';
import { Scope } from './scope.js';
import { storm } from './storm.js';

/** How long storms take, as a multiple of one backup; the power is cut at any moment of them. */
const STORM_BACKUPS = 4;

/** Stores on a disk that forgets what was not synced, cut off in the midst of everything; each round has a new one. */
export class PowerCutRun {
  /** Shadow copies that were acknowledged before their power cut. */
  acknowledged = 0;
  readonly #directory: string;
  readonly #random: Random;
  readonly #machines: readonly TestMachine[];

  constructor(directory: string, random: Random) {
    this.#directory = directory;
    this.#random = random;
    this.#machines = ['alpha', 'beta'].map((name) => new TestMachine(name, join(directory, 'images'), random));
  }

  /** @throws AssertionError if anything that was promised does not hold */
  async round(): Promise<void> {
    const scope = new Scope();
    const left = join(this.#directory, 'left');
    scope.teardown(() => {
      rmSync(left, { recursive: true, force: true });
    });
    try {
      const model = await this.#useAndCut(scope, left);
      this.acknowledged += model.versions().length;
      await this.#check(scope, model, join(left, 'store'));
    } finally {
      await scope.end();
    }
  }

  /** What was acknowledged by a store whose disk now lies, as far as it was durable, in `left`. */
  async #useAndCut(scope: Scope, left: string): Promise<Model> {
    const fs = await mountPowerCutFs(scope);
    const umbra = hostedUmbraAt(scope, join(fs.mountPoint, 'store'));
    const model = new Model();
    const before = this.#random.between(1, 3);
    const beganMs = performance.now();
    for (const machine of [...this.#machines, ...this.#machines].slice(0, before)) {
      machine.change();
      const { shadowCopy } = await umbra.backup(machine.name, ...machine.images);
      model.acknowledged(`${machine.name}@${shadowCopy}`, machine.content());
    }
    const stormMs = (STORM_BACKUPS * (performance.now() - beganMs)) / before;
    await storm({
      umbra,
      machines: this.#machines,
      model,
      random: this.#random,
      storeExists: true,
      diskFails: true,
      strike: () => this.#cut(fs, umbra, left, stormMs),
    });
    await umbra.killServer();
    return model;
  }

  async #cut(fs: PowerCutFs, umbra: Umbra, left: string, stormMs: number): Promise<void> {
    await sleep(this.#random.fraction() * stormMs);
    await fs.cut(left, this.#random.below(2 ** 32));
    // What reads a mapped table may die of it; the others only learn that nothing works any more.
    await umbra.killServer();
  }

  async #check(scope: Scope, model: Model, store: string): Promise<void> {
    const mountPoint = join(this.#directory, 'mount');
    mkdirSync(mountPoint, { recursive: true });
    const umbra = hostedUmbraAt(scope, store);
    const [machine] = this.#machines;
    if (machine === undefined) return;
    // Where not even a store is left, none may have been promised.
    if (!existsSync(join(store, 'format'))) model.settle(new Map());
    const { shadowCopy } = await umbra.backup(machine.name, ...machine.images);
    model.acknowledged(`${machine.name}@${shadowCopy}`, machine.content());
    scope.teardown(() => umbra.run('unmount', mountPoint, '--force'));
    await checkStore(umbra, model, mountPoint);
    await checkRebuild(umbra, model, mountPoint);
  }
}
