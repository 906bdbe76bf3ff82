import { deepEqual, equal, ok } from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { requests } from '../../../../src/client/requests.js';
import { systemCode } from '../../../../src/common/errors.js';
import type { Random } from '../../random.js';
import { assertClear, inTime, protect } from '../fleet/checks.js';
import type { Version } from '../model.js';
import { checkDataLoss } from './data-loss.js';
import { applyRhythm, look, scratch, type Field } from './field.js';
import { digestOfFile, placeOf, type FieldMount } from './mounts.js';
import { busy } from './rhythms.js';

const execute = promisify(execFile);

/** Something that is done again and again while everything else goes on. */
export interface Actor {
  readonly name: string;
  /** How long it waits between two times at most. */
  readonly pauseMs: number;
  readonly act: (field: Field) => Promise<void>;
}

export const ACTORS: readonly Actor[] = [
  { name: 'look', pauseMs: 1500, act: lookAround },
  { name: 'backup', pauseMs: 6000, act: backUpOne },
  { name: 'change', pauseMs: 5000, act: changeOne },
  { name: 'read', pauseMs: 100, act: (field) => readThrough(field, field.mounts[0]) },
  { name: 'read far', pauseMs: 100, act: (field) => readThrough(field, field.mounts[1]) },
  { name: 'restore', pauseMs: 3000, act: restoreOne },
  { name: 'export', pauseMs: 5000, act: exportOne },
  { name: 'copy', pauseMs: 3000, act: copyFiles },
  { name: 'verify', pauseMs: 8000, act: verifyAll },
  { name: 'collect', pauseMs: 6000, act: (field) => done(field.fleet.server.client.run(requests.gc())) },
  { name: 'prune', pauseMs: 8000, act: (field) => done(pruneAll(field)) },
  { name: 'forget', pauseMs: 9000, act: forgetOne },
  { name: 'policies', pauseMs: 15_000, act: (field) => applyRhythm(field, busy(field.random)) },
  { name: 'protection', pauseMs: 25_000, act: protectAnew },
];

/**
 * Do it until `over`. What breaks off since something was killed says so clearly; anything else ends it.
 * @param count told of what was done, and of the errors' codes
 */
export async function actOn(
  actor: Actor,
  field: Field,
  over: AbortSignal,
  count: (what: string) => void,
): Promise<void> {
  while (!over.aborted) {
    await sleep(field.random.fraction() * actor.pauseMs, undefined, { signal: over }).catch(() => undefined);
    try {
      await inTime(actor.act(field), `${actor.name} ends`);
      count(actor.name);
    } catch (error) {
      assertClear(error);
      const { code } = Object(error) as { readonly code?: unknown };
      ok(code !== 'STORE_DAMAGED' && code !== 'FILESYSTEM_DAMAGED', `${actor.name}: ${String(error)}`);
      count(`${actor.name} ${String(code)}`);
    }
  }
}

async function lookAround(field: Field): Promise<void> {
  await look(field);
  await checkDataLoss(field);
  for (const mount of field.mounts) await mount.ensure();
}

async function backUpOne({ fleet, random, names, ledger }: Field): Promise<void> {
  const machine = pick(random, names) ?? '';
  const { shadowCopy } = await fleet.server.client.run(requests.backupByAgent({ machine }));
  ledger.acknowledged(machine, shadowCopy);
}

function changeOne({ stills, random }: Field): Promise<void> {
  pick(random, stills)?.change();
  return Promise.resolve();
}

/** A volume or a file, through a mount: the right bytes, or an error if it was deleted or something was away meanwhile. */
async function readThrough(field: Field, mount: FieldMount): Promise<void> {
  const version = pick(field.random, field.ledger.versions());
  const before = mount.mark();
  if (version === undefined || before === undefined) {
    await sleep(200);
    return;
  }
  try {
    const read = field.random.chance(0.6) ? readVolume : readFiles;
    await read(field, mount, version);
  } catch (error) {
    if (isAssertion(error)) throw error;
    if (mount.mark() !== before) return;
    if ((await look(field)).includes(version) && mount.mark() === before) {
      throw new Error(`${mount.name}: ${version} is listed, and could not be read: ${String(error)}`, { cause: error });
    }
  }
}

async function readVolume(field: Field, mount: FieldMount, version: Version): Promise<void> {
  const directory = join(placeOf(mount, version), 'volumes');
  const file = pick(field.random, await readdir(directory));
  if (file === undefined) throw new Error('there are no volumes');
  const volume = file.replace(/\.raw$/, '');
  field.ledger.read(version, volume, await digestOfFile(join(directory, file)), mount.name);
}

/** Of machines whose states are known. */
async function readFiles(field: Field, mount: FieldMount, version: Version): Promise<void> {
  const still = stillOf(field, version);
  if (still === undefined) {
    await readVolume(field, mount, version);
    return;
  }
  const place = placeOf(mount, version);
  const image = await digestOfFile(join(place, 'volumes', 'vda.raw'));
  const files = still.filesOf(image);
  ok(files !== undefined, `${mount.name}: ${version} is like nothing that ${still.name} was`);
  const [name, digest] = pick(field.random, [...files]) ?? ['', ''];
  equal(await digestOfFile(join(place, 'files', 'vda', name)), digest, `${mount.name}: ${name} of ${version}`);
}

async function restoreOne(field: Field): Promise<void> {
  const { fleet, random, ledger } = field;
  const to = scratch(field, 'restoring');
  rmSync(to, { recursive: true, force: true });
  mkdirSync(to);
  const version = pick(random, ledger.versions());
  if (version === undefined) return;
  const [machine = '', name = ''] = version.split('@');
  await fleet.server.client.run(requests.restore({ machine, version: name, to }));
  for (const file of (await readdir(to)).filter((one) => one.endsWith('.raw'))) {
    ledger.read(version, file.replace(/\.raw$/, ''), await digestOfFile(join(to, file)), 'a restore');
  }
}

async function exportOne(field: Field): Promise<void> {
  const { fleet, random, ledger } = field;
  const [to, raw] = [scratch(field, 'export.qcow2'), scratch(field, 'export.raw')];
  for (const path of [to, raw]) rmSync(path, { force: true });
  const version = pick(random, ledger.versions());
  if (version === undefined) return;
  const [machine = '', name = ''] = version.split('@');
  const listed = await fleet.server.client.call(requests.list(machine));
  const volumes = listed.find(({ shadowCopy }) => shadowCopy === name)?.volumes ?? [];
  const volume = pick(random, volumes)?.name;
  if (volume === undefined) return;
  await fleet.server.client.run(requests.export({ machine, version: name, volume, to }));
  await execute('qemu-img', ['convert', '-f', 'qcow2', '-O', 'raw', to, raw]);
  ledger.read(version, volume, await digestOfFile(raw), 'an export');
}

/** The files of a machine whose states are known. */
async function copyFiles(field: Field): Promise<void> {
  const { fleet, random, ledger } = field;
  const version = pick(
    random,
    ledger.versions().filter((one) => stillOf(field, one) !== undefined),
  );
  const still = version === undefined ? undefined : stillOf(field, version);
  if (version === undefined || still === undefined) return;
  const to = scratch(field, 'copied');
  rmSync(to, { recursive: true, force: true });
  const [machine = '', name = ''] = version.split('@');
  const request = { machine, version: name, path: '/vda', to, toDirectory: false, recursive: true, force: false };
  const { problems } = await fleet.server.client.run(requests.copyFiles(request));
  deepEqual(problems, []);
  const files = (await readdir(to)).filter((file) => file.startsWith('file-')).sort();
  const digests = await Promise.all(files.map((file) => digestOfFile(join(to, file))));
  const found = new Map(files.map((file, index): [string, string] => [file, digests[index] ?? '']));
  ok(still.hasFiles(found), `${version} is copied as nothing that ${machine} was`);
}

async function verifyAll({ fleet, random, names }: Field): Promise<void> {
  const one = random.chance(0.5) ? pick(random, names) : undefined;
  const request = one === undefined ? {} : { machine: one };
  const { damaged, damagedObjects } = await fleet.server.client.run(requests.verify(request));
  deepEqual({ damaged, damagedObjects }, { damaged: [], damagedObjects: [] });
}

async function pruneAll({ fleet }: Field): Promise<unknown> {
  return await fleet.server.client.items(requests.prune({ dryRun: false }), () => Promise.resolve());
}

/** Never the newest one of a machine. */
async function forgetOne({ fleet, random, ledger, names }: Field): Promise<void> {
  const machine = pick(random, names) ?? '';
  const older = ledger.versions().filter((version) => version.startsWith(`${machine}@`));
  const version = pick(random, older.sort().slice(0, -1))?.split('@')[1];
  if (version === undefined) return;
  const shadowCopies = [{ machine, version }];
  await fleet.server.client.run(requests.forget({ shadowCopies, dryRun: false, force: false }));
}

async function protectAnew({ fleet, stills, random }: Field): Promise<void> {
  const machine = pick(random, [...fleet.machines, ...stills]);
  if (machine === undefined) return;
  await fleet.server.client.call(requests.unprotect({ machine: machine.name }));
  await sleep(random.fraction() * 4000);
  await protect(fleet, machine);
}

function stillOf({ stills }: Field, version: Version): Field['stills'][number] | undefined {
  return stills.find(({ name }) => version.startsWith(`${name}@`));
}

async function done(work: Promise<unknown>): Promise<void> {
  await work;
}

function isAssertion(error: unknown): boolean {
  return systemCode(error) === 'ERR_ASSERTION';
}

function pick<T>(random: Random, from: readonly T[]): T | undefined {
  return from[random.below(from.length)];
}
