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
import { protect } from '../fleet/checks.js';
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
  /** The codes of what it may fail with although nothing was struck, since others act at the same time. */
  readonly mayFail: readonly string[];
  readonly act: (field: Field, random: Random) => Promise<void>;
}

/** A mount of a server elsewhere believes what it knew of its shadow copies for a second; then it asks before it answers. */
const SHOWS_MS = 2000;

/** A shadow copy, or the protection of a machine, may have gone meanwhile. */
const GONE = ['NOT_FOUND'];

/** So may a machine, another backup of it runs, it is protected no more just now, or its image is being written by {@link changeOne}. */
const NO_BACKUP = [...GONE, 'MACHINE_BUSY', 'CANCELLED', 'FORBIDDEN', 'IMAGE_IN_USE'];

export const ACTORS: readonly Actor[] = [
  { name: 'look', pauseMs: 1500, mayFail: [], act: lookAround },
  { name: 'backup', pauseMs: 6000, mayFail: NO_BACKUP, act: backUpOne },
  { name: 'change', pauseMs: 5000, mayFail: [], act: changeOne },
  { name: 'read', pauseMs: 100, mayFail: [], act: (field, random) => readThrough(field, random, field.mounts[0]) },
  { name: 'read far', pauseMs: 100, mayFail: [], act: (field, random) => readThrough(field, random, field.mounts[1]) },
  { name: 'restore', pauseMs: 3000, mayFail: GONE, act: restoreOne },
  { name: 'export', pauseMs: 5000, mayFail: GONE, act: exportOne },
  { name: 'copy', pauseMs: 3000, mayFail: GONE, act: copyFiles },
  { name: 'verify', pauseMs: 8000, mayFail: GONE, act: verifyAll },
  { name: 'scrub', pauseMs: 9000, mayFail: [], act: scrubAll },
  { name: 'collect', pauseMs: 6000, mayFail: ['STORE_IN_USE'], act: collectAll },
  { name: 'prune', pauseMs: 8000, mayFail: [], act: pruneAll },
  { name: 'forget', pauseMs: 9000, mayFail: [...GONE, 'SHADOW_COPY_PROTECTED', 'SHADOW_COPY_OPEN'], act: forgetOne },
  { name: 'policies', pauseMs: 15_000, mayFail: [], act: (field, random) => applyRhythm(field, busy(random)) },
  { name: 'protection', pauseMs: 25_000, mayFail: GONE, act: protectAnew },
];

async function lookAround(field: Field): Promise<void> {
  await look(field);
  await checkDataLoss(field);
  for (const mount of field.mounts) await mount.ensure();
}

async function backUpOne({ fleet, names, ledger }: Field, random: Random): Promise<void> {
  const machine = pick(random, names) ?? '';
  const { shadowCopy } = await fleet.server.client.run(requests.backupByAgent({ machine }));
  ledger.acknowledged(machine, shadowCopy);
}

function changeOne({ stills }: Field, random: Random): Promise<void> {
  pick(random, stills)?.change();
  return Promise.resolve();
}

/** A volume or a file, through a mount: the right bytes, or an error if it was deleted or something was away meanwhile. */
async function readThrough(field: Field, random: Random, mount: FieldMount): Promise<void> {
  const version = pick(random, field.ledger.versions());
  const before = mount.mark();
  if (version === undefined || before === undefined) {
    await sleep(200);
    return;
  }
  const read = random.chance(0.6) ? readVolume : readFiles;
  for (const isAgain of [false, true]) {
    try {
      await read({ field, random, mount }, version);
      return;
    } catch (error) {
      if (isAssertion(error)) throw error;
      if (mount.mark() !== before || !(await look(field)).includes(version) || mount.mark() !== before) return;
      // It may not show yet; what is there and can't be read is another matter.
      if (isAgain || systemCode(error) !== 'ENOENT') {
        throw new Error(`${mount.name}: ${version} is listed, and could not be read: ${String(error)}`, {
          cause: error,
        });
      }
      await sleep(SHOWS_MS);
    }
  }
}

interface Reader {
  readonly field: Field;
  readonly random: Random;
  readonly mount: FieldMount;
}

async function readVolume({ field, random, mount }: Reader, version: Version): Promise<void> {
  const directory = join(placeOf(mount, version), 'volumes');
  const file = pick(random, await readdir(directory));
  if (file === undefined) throw new Error('there are no volumes');
  const volume = file.replace(/\.raw$/, '');
  field.ledger.read(version, volume, await digestOfFile(join(directory, file)), mount.name);
}

/** Of machines whose states are known. */
async function readFiles(reader: Reader, version: Version): Promise<void> {
  const { field, random, mount } = reader;
  const still = stillOf(field, version);
  if (still === undefined) {
    await readVolume(reader, version);
    return;
  }
  const place = placeOf(mount, version);
  const image = await digestOfFile(join(place, 'volumes', 'vda.raw'));
  const files = still.filesOf(image.digest);
  ok(files !== undefined, `${mount.name}: ${version} is like nothing that ${still.name} was`);
  const [name, digest] = pick(random, [...files]) ?? ['', ''];
  const read = await digestOfFile(join(place, 'files', 'vda', name));
  equal(read.digest, digest, `${mount.name}: ${name} of ${version}`);
  field.tally.add('comparisons', `${mount.name}, a file`, read.bytes);
}

async function restoreOne(field: Field, random: Random): Promise<void> {
  const { fleet, ledger } = field;
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

async function exportOne(field: Field, random: Random): Promise<void> {
  const { fleet, ledger } = field;
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
async function copyFiles(field: Field, random: Random): Promise<void> {
  const { fleet, ledger } = field;
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
  const found = new Map(files.map((file, index): [string, string] => [file, digests[index]?.digest ?? '']));
  ok(still.hasFiles(found), `${version} is copied as nothing that ${machine} was`);
  for (const { bytes } of digests) field.tally.add('comparisons', 'a copy of files', bytes);
}

async function verifyAll({ fleet, names }: Field, random: Random): Promise<void> {
  const one = random.chance(0.5) ? pick(random, names) : undefined;
  const request = one === undefined ? {} : { machine: one };
  const { damaged, damagedObjects } = await fleet.server.client.run(requests.verify(request));
  deepEqual({ damaged, damagedObjects }, { damaged: [], damagedObjects: [] });
}

async function scrubAll({ fleet }: Field): Promise<void> {
  const { damagedObjects } = await fleet.server.client.run(requests.scrubNow());
  equal(damagedObjects, 0);
}

async function collectAll({ fleet }: Field): Promise<void> {
  await fleet.server.client.run(requests.gc());
}

async function pruneAll({ fleet }: Field): Promise<void> {
  await fleet.server.client.items(requests.prune({ dryRun: false }), () => Promise.resolve());
}

/** Never the newest one of a machine. */
async function forgetOne({ fleet, ledger, names }: Field, random: Random): Promise<void> {
  const machine = pick(random, names) ?? '';
  const older = ledger.versions().filter((version) => version.startsWith(`${machine}@`));
  const version = pick(random, older.sort().slice(0, -1))?.split('@')[1];
  if (version === undefined) return;
  const shadowCopies = [{ machine, version }];
  await fleet.server.client.run(requests.forget({ shadowCopies, dryRun: false, force: false }));
}

async function protectAnew({ fleet, stills }: Field, random: Random): Promise<void> {
  const machine = pick(random, [...fleet.machines, ...stills]);
  if (machine === undefined) return;
  await fleet.server.client.call(requests.unprotect({ machine: machine.name }));
  await sleep(random.fraction() * 4000);
  await protect(fleet, machine);
}

function stillOf({ stills }: Field, version: Version): Field['stills'][number] | undefined {
  return stills.find(({ name }) => version.startsWith(`${name}@`));
}

function isAssertion(error: unknown): boolean {
  return systemCode(error) === 'ERR_ASSERTION';
}

function pick<T>(random: Random, from: readonly T[]): T | undefined {
  return from[random.below(from.length)];
}
