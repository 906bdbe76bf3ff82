import { deepEqual, equal, ok } from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { requests } from '../../../../src/client/requests.js';
import { isUmbraError } from '../../../../src/common/errors.js';
import type { GcResult } from '../../../../src/protocol/api.js';
import { backUpAll, checkExact, inTime } from '../fleet/checks.js';
import { FilteredFleetMachine } from '../fleet/filtered-machine.js';
import { contentDigest } from '../machine.js';
import type { Version } from '../model.js';
import { checkDataLoss } from './data-loss.js';
import { look, type Field } from './field.js';
import type { Meter } from './meter.js';
import { isMountPoint, placeOf } from './mounts.js';

const MIB = 1024 * 1024;
/** Of jobs that have ended the server keeps so many, and two of each machine. */
const MOST_JOBS = 1000;
/** What a store takes on its disk besides objects: logs, tables that are to be merged, the index, the reserve. */
const STORE_OVERHEAD_BYTES = 400 * MIB;
/** With its frame. */
const MOST_TOMBSTONE_BYTES = 512;
/** What a log says of an error that has no code of its own: that it has none, or where it was thrown. */
const DEFECT = /"INTERNAL"|^\s+at |\b(?:TypeError|RangeError|ReferenceError|AssertionError)\b/;
const SERVER_BYTES = 420 * MIB;
const AGENT_BYTES = 300 * MIB;

/** With nothing going on, every promise. It writes shadow copies, and leaves the server's mount. @throws AssertionError */
export async function checkAtRest(field: Field, meter: Meter, say: (line: string) => void): Promise<void> {
  const { fleet, mounts, directory, ledger } = field;
  const { client } = fleet.server;
  say('  rest: each machine is paused and compared with a new shadow copy of it');
  // What was killed in the storm is followed again from the first of these on.
  const followed = await backUpAll(fleet);
  // A minute after something was deleted the server collects by itself.
  const exact = await checkExact(fleet, directory, (server) => inTime(server.untilQuiet(), 'nothing runs'));
  for (const { machine, shadowCopy } of [...followed, ...exact]) ledger.acknowledged(machine, shadowCopy);
  for (const { name: machine } of field.stills) {
    const { shadowCopy } = await client.run(requests.backupByAgent({ machine }));
    ledger.acknowledged(machine, shadowCopy);
  }
  const versions = await look(field);
  await mounts[0].ensure();
  say(`  rest: ${versions.length} shadow copies are read, and the store is verified and collected`);
  for (const version of versions) await inTime(checkVersion(field, version), `${version} is read`);
  await checkDeleted(field);
  await checkVerifies(field);
  await checkCollected(field);
  await checkVerifies(field);
  await checkDataLoss(field);
  await checkJobs(field);
  checkNothingLeft(field);
  checkLogs(field);
  meter.look('server', fleet.server.pid, SERVER_BYTES);
  meter.look('agent', fleet.agent.pid, AGENT_BYTES);
}

/** What it holds is what everybody read, of one instant, and what the machine was where that is known. */
async function checkVersion({ fleet, stills, mounts, ledger }: Field, version: Version): Promise<void> {
  const directory = join(placeOf(mounts[0], version), 'volumes');
  const names = (await readdir(directory)).sort();
  const contents = await Promise.all(names.map((name) => readFile(join(directory, name))));
  const digests = contents.map(contentDigest);
  for (const [index, name] of names.entries()) {
    const read = { digest: digests[index] ?? '', bytes: contents[index]?.length ?? 0 };
    ledger.read(version, name.replace(/\.raw$/, ''), read, 'the mount at rest');
  }
  const machine = fleet.machines.find(({ name }) => version.startsWith(`${name}@`));
  if (machine === undefined) {
    const still = stills.find(({ name }) => version.startsWith(`${name}@`));
    ok(still?.filesOf(digests[0] ?? '') !== undefined, `${version} is like nothing that it was`);
    return;
  }
  deepEqual(
    names,
    machine.volumes.map((volume) => `${volume}.raw`),
    version,
  );
  const [a, b] = contents.map((bytes) => bytes.readUInt32LE(0));
  ok(a !== undefined && (a === b || a - 1 === b), `${version}: counters ${a} and ${b}`);
  if (machine instanceof FilteredFleetMachine) {
    ok(machine.isOfOneInstant(contents), `${version} is like nothing that it was`);
  }
}

/** What is not listed can't be read, and is not shown. */
async function checkDeleted({ mounts, ledger, names }: Field): Promise<void> {
  for (const machine of names) {
    const shown = (await readdir(join(mounts[0].path, machine))).filter((name) => /^\d/.test(name));
    for (const name of shown) ok(!ledger.isGone(`${machine}@${name}`), `${machine}@${name} was deleted, and is shown`);
  }
}

async function checkVerifies({ fleet }: Field): Promise<void> {
  const { damaged, damagedObjects } = await inTime(fleet.server.client.run(requests.verify({})), 'verifying ends');
  deepEqual({ damaged, damagedObjects }, { damaged: [], damagedObjects: [] });
}

/**
 * The bytes of what was deleted come back, and the store is no larger than what it holds. A tombstone stays until its record is
 * gone for certain, so that the second collection may find tombstones, which are small; the third finds nothing.
 */
async function checkCollected({ fleet }: Field): Promise<void> {
  const { client } = fleet.server;
  await inTime(collect(fleet), 'collecting ends');
  const { deletedObjects, deletedBytes } = await inTime(collect(fleet), 'collecting ends');
  const isOfTombstones = deletedBytes <= deletedObjects * MOST_TOMBSTONE_BYTES;
  ok(isOfTombstones, `a collection left ${deletedObjects} objects of ${deletedBytes} bytes for the next one`);
  const again = await inTime(collect(fleet), 'collecting ends');
  equal(again.deletedObjects, 0, 'two collections left something for a third');
  const { storedBytes, diskBytes, damagedObjects } = await client.call(requests.stats());
  equal(damagedObjects, 0);
  ok(diskBytes <= storedBytes * 2 + STORE_OVERHEAD_BYTES, `${diskBytes} bytes on disk for ${storedBytes} bytes`);
}

/** The server may be at it already. */
async function collect({ server }: Field['fleet']): Promise<GcResult> {
  for (;;) {
    try {
      return await server.client.run(requests.gc());
    } catch (error) {
      if (!isUmbraError(error, 'STORE_IN_USE')) throw error;
    }
    await sleep(200);
  }
}

async function checkJobs({ fleet, names }: Field): Promise<void> {
  const { jobs, isScheduling } = await fleet.server.client.call(requests.jobs({ limit: 20_000 }));
  ok(isScheduling, 'the server makes shadow copies by itself');
  ok(jobs.length <= MOST_JOBS + 3 * names.length, `${jobs.length} jobs are kept`);
  const defects = jobs.filter(({ error }) => error?.code === 'INTERNAL' || error?.code === 'STORE_DAMAGED');
  deepEqual(defects, []);
}

/** Nobody met what no one had thought of. */
function checkLogs({ directory }: Field): void {
  for (const program of ['server', 'agent', 'remote']) {
    const log = join(directory, `${program}.log`);
    const defects = existsSync(log)
      ? readFileSync(log, 'utf8')
          .split('\n')
          .filter((line) => DEFECT.test(line))
      : [];
    deepEqual(defects, [], `${log} has defects`);
  }
}

/** No files for a moment, no mounts but those that are wanted, no programs that nobody waits for. */
function checkNothingLeft({ fleet, mounts, directory }: Field): void {
  deepEqual(readdirSync(fleet.server.temporary), [], 'the server left something');
  ok(!isMountPoint(mounts[1].path), 'the remote mount is there still');
  const helpers = readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .map((pid) => commandLine(pid))
    .filter((line) => /^\S*(qemu-nbd|qemu-img|nbdcopy)\0/.test(line) && line.includes(directory));
  deepEqual(helpers, [], 'programs run that nobody waits for');
}

/** Nothing of a process that is gone. */
function commandLine(pid: string): string {
  try {
    readlinkSync(`/proc/${pid}/exe`);
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}
