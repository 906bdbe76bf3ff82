import { ok } from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT_CODES } from '../../../src/common/exit-codes.js';
import type { Random } from '../random.js';
import { HostedUmbra } from '../hosted-umbra.js';
import type { Umbra, Running } from '../umbra-program.js';
import { checkRebuild, checkStore, listedVersions } from './check.js';
import { TestMachine } from './machine.js';
import { Model } from './model.js';
import { storm } from './storm.js';

/** More shadow copies than this only make the checks slow. */
const MOST_LISTED = 6;
const REBUILD_EVERY = 2;
/** Where in a storm the strike comes, as parts of what storms took before. */
const LATEST_STRIKE = 1.2;

/** What the rounds of a run came to. */
export interface CrashCounts {
  serversKilled: number;
  commandsKilled: number;
  acknowledged: number;
}

/** One store that is used, struck and checked, round after round. */
export class CrashRun {
  readonly umbra: Umbra;
  readonly counts: CrashCounts = { serversKilled: 0, commandsKilled: 0, acknowledged: 0 };
  readonly #random: Random;
  readonly #machines: readonly TestMachine[];
  readonly #model = new Model();
  readonly #mountPoint: string;
  #stormMs = 1500;
  #rounds = 0;

  /** @param directory where the store, the images and the mount go; its server runs when an error is thrown */
  constructor(directory: string, random: Random) {
    this.#random = random;
    this.umbra = new HostedUmbra(join(directory, 'store'));
    this.#mountPoint = join(directory, 'mount');
    mkdirSync(this.#mountPoint);
    this.#machines = ['alpha', 'beta'].map((name) => new TestMachine(name, join(directory, 'images'), random));
  }

  /** @throws AssertionError if anything that was promised does not hold */
  async round(): Promise<void> {
    const isMounted = this.#rounds > 0;
    await storm({
      umbra: this.umbra,
      machines: this.#machines,
      model: this.#model,
      random: this.#random,
      storeExists: isMounted,
      ...(isMounted && { mountPoint: this.#mountPoint }),
      strike: (running) => this.#strike(running),
    });
    await this.#untilQuiet();
    await this.#backUpOnce();
    await checkStore(this.umbra, this.#model, this.#mountPoint);
    if (++this.#rounds % REBUILD_EVERY === 0) {
      await this.#killRebuild();
      await checkRebuild(this.umbra, this.#model, this.#mountPoint);
    }
    await this.#forgetOldest();
    this.counts.acknowledged = this.#model.versions().length;
  }

  /** Leaves nothing mounted and nothing running. */
  async end(): Promise<void> {
    await this.umbra.run('unmount', this.#mountPoint, '--force');
    await this.umbra.killServer();
  }

  /** Kill the server at a random moment, or one of the commands, or both; the server in every second round for sure. */
  async #strike(running: readonly Running[]): Promise<void> {
    const began = performance.now();
    const all = Promise.all(running.map(({ ended }) => ended)).then(() => performance.now() - began);
    await sleep(this.#random.fraction() * LATEST_STRIKE * this.#stormMs);
    const alsoCommand = this.#random.chance(0.25);
    const alsoServer = !alsoCommand || this.#random.chance(0.5) || this.#rounds % 2 === 1;
    const victim = running[this.#random.below(running.length)];
    if (alsoCommand && victim?.child.kill('SIGKILL') === true) this.counts.commandsKilled++;
    if (alsoServer && (await this.umbra.killServer())) this.counts.serversKilled++;
    else this.#stormMs = (this.#stormMs + (await all)) / 2;
  }

  /** What a killed command began may go on in the server for a moment. */
  async #untilQuiet(): Promise<void> {
    if (this.umbra.serverPid() === undefined) return;
    while ((await this.umbra.status()).jobs.length > 0) await sleep(20);
  }

  /** Whatever happened, the next backup works. */
  async #backUpOnce(): Promise<void> {
    const machine = this.#machines[this.#rounds % this.#machines.length];
    if (machine === undefined) return;
    const { shadowCopy } = await this.umbra.backup(machine.name, ...machine.images);
    this.#model.acknowledged(`${machine.name}@${shadowCopy}`, machine.content());
  }

  /** A rebuild that is cut off changes nothing, or leaves a store that asks for another. */
  async #killRebuild(): Promise<void> {
    await this.umbra.result('unmount', this.#mountPoint, '--force');
    const rebuild = this.umbra.start('rebuild');
    await sleep(this.#random.fraction() * this.#stormMs);
    await this.umbra.killServer();
    await rebuild.ended;
    const { code, stderr } = await this.umbra.run('list');
    ok(code === EXIT_CODES.OK.code || code === EXIT_CODES.DAMAGED.code, stderr);
    if (code === EXIT_CODES.DAMAGED.code) await this.umbra.rebuild();
    await this.umbra.mount(this.#mountPoint);
  }

  async #forgetOldest(): Promise<void> {
    const versions = await listedVersions(this.umbra);
    const going = versions.filter((_, index) => versions.length - index > 1 && this.#random.chance(0.5));
    if (versions.length <= MOST_LISTED || going.length === 0) return;
    await this.umbra.forget(...going, '--force');
    for (const version of going) this.#model.forgotten(version);
  }
}
