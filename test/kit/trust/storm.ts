import { ok } from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT_CODES } from '../../../src/common/exit-codes.js';
import type { BackupResult } from '../../../src/protocol/api.js';
import type { Random } from '../random.js';
import type { Ended, Running, Umbra } from '../umbra-program.js';
import { readMountedVolume } from './check.js';
import type { TestMachine } from './machine.js';
import type { Model, Version } from './model.js';

export interface StormOptions {
  readonly umbra: Umbra;
  readonly machines: readonly TestMachine[];
  readonly model: Model;
  readonly random: Random;
  /** Where the store is mounted; whoever reads there while the server dies gets an error. */
  readonly mountPoint?: string;
  /** There is a store already; one is made by its first backup. */
  readonly storeExists: boolean;
  /** The disk itself may fail under the commands: then they may say anything, as long as it is an error. */
  readonly diskFails?: boolean;
  /** Does the harm, given the commands that run. */
  readonly strike: (running: readonly Running[]) => Promise<void>;
}

/** How a command may end whose server is killed, or that comes just then: never with a defect, never with damage. */
const MAY_BREAK_OFF: readonly number[] = [
  EXIT_CODES.SERVER.code,
  EXIT_CODES.BUSY.code,
  EXIT_CODES.STORE.code,
  EXIT_CODES.CANCELLED.code,
];

/**
 * Back up machines, forget, collect and read a mount, all at once, and strike in the midst. The model is told what
 * was acknowledged and what is in doubt. Resolves when all commands have ended.
 */
export async function storm(options: StormOptions): Promise<void> {
  const { umbra, machines, random, strike } = options;
  const running: Running[] = [];
  const tasks: Promise<void>[] = [];
  const begin: Begin = (command, settle) => {
    const started = umbra.start(...command);
    running.push(started);
    const check = options.diskFails === true ? () => undefined : assertBrokenOffAtWorst;
    tasks.push(
      started.ended.then((ended) => {
        settle(ended);
        check(ended);
      }),
    );
  };
  for (const machine of machines) {
    if (random.chance(0.85)) beginBackup(machine, options.model, begin);
  }
  if (random.chance(0.6)) beginForget(options, begin);
  if (options.storeExists && random.chance(0.6)) begin(['gc'], () => undefined);
  const over = new AbortController();
  const reading = readOn(options, over.signal);
  await Promise.all([strike(running), ...tasks]).finally(() => {
    over.abort();
  });
  await reading;
}

type Begin = (command: readonly string[], settle: (ended: Ended) => void) => void;

function beginBackup(machine: TestMachine, model: Model, begin: Begin): void {
  machine.change();
  const content = machine.content();
  begin(['backup', machine.name, ...machine.images], (ended) => {
    if (ended.code === 0) {
      const { shadowCopy } = JSON.parse(ended.stdout) as BackupResult;
      model.acknowledged(`${machine.name}@${shadowCopy}`, content);
    } else {
      model.brokenOff(machine.name, content);
    }
  });
}

/** Forget one, or several with one command. */
function beginForget({ model, random }: StormOptions, begin: Begin): void {
  const versions = model.versions().filter(() => random.chance(0.4));
  if (versions.length === 0) return;
  begin(['forget', ...versions, '--force'], (ended) => {
    for (const version of versions) {
      if (ended.code === 0) model.forgotten(version);
      else model.maybeForgotten(version);
    }
  });
}

function assertBrokenOffAtWorst(ended: Ended): void {
  const { code, command, stdout, stderr } = ended;
  const isFine = code === 0 || code === undefined || MAY_BREAK_OFF.includes(code);
  ok(isFine, `umbra ${command}: exit code ${String(code)}\n${stdout}${stderr}`);
}

/** Read volumes of the mount until the storm is over: an error or the right bytes, nothing else. */
async function readOn({ model, random, mountPoint }: StormOptions, over: AbortSignal): Promise<void> {
  if (mountPoint === undefined) return;
  const known = new Map(model.versions().map((version) => [version, model.content(version)]));
  while (!over.aborted) {
    const version = pick(random, [...known.keys()]);
    if (version === undefined) return;
    const volume = random.chance(0.5) ? 'vda' : 'vdb';
    const digest = await readMountedVolume(mountPoint, version, volume).catch(() => undefined);
    ok(
      digest === undefined || digest === known.get(version)?.[volume],
      `${volume} of ${version} was read with wrong bytes from a mount`,
    );
    await sleep(digest === undefined ? 50 : 5);
  }
}

function pick(random: Random, versions: readonly Version[]): Version | undefined {
  return versions[random.below(versions.length)];
}
