import { FrameError, readFrameHeader } from '../../src/codec/frame.js';
import { isUmbraError, messageOf } from '../../src/common/errors.js';
import { JOB_KINDS } from '../../src/protocol/jobs-api.js';
import { MOST_ENDED } from '../../src/scheduler/job-book.js';
import { readSequence } from '../../src/store/index-entries.js';
import { objectKey, objectName, objectRange, prefixRange } from '../../src/store/keys.js';
import { MetaPrefix, ObjectType } from '../../src/codec/formats.js';
import { reachable, storedObjects } from '../../test/kit/store-model.js';
import type { Random } from '../../test/kit/random.js';
import { checkPoint, holdReplica } from './reading.js';
import { nameOf } from './sim-disk.js';
import type { CheckedWorld } from './world-parts.js';

const HOUR_MS = 3_600_000;
/** What a process may keep in memory for a shadow copy, an object and an index entry of it, the simulated disk included. */
const BYTES_OF_AN_OBJECT = 6000;
const BYTES_AT_ONCE = 700 * 1024 * 1024;
/** The same of all that the process has: what libraries keep, and what is free and not given back. */
const PROCESS_BYTES_AT_ONCE = 1536 * 1024 * 1024;

/** Read some points back, chosen at random. */
export async function checkSome(world: CheckedWorld, random: Random, count: number): Promise<void> {
  const points = [...world.model.machines.values()].flatMap((machine) =>
    [...machine.points, ...(machine.replica === undefined ? [] : [machine.replica])].map((point) => ({
      machine,
      point,
    })),
  );
  for (let read = 0; read < count && !world.isWrong && points.length > 0; read += 1) {
    const chosen = points[random.below(points.length)];
    if (chosen !== undefined) await checkPoint(world, chosen.machine, chosen.point);
  }
}

/** Have somebody read a replica slowly. */
export function holdSome(world: CheckedWorld, random: Random, enqueue: (task: () => Promise<void>) => void): void {
  const replicated = [...world.model.machines.values()].filter(({ replica }) => replica !== undefined);
  const machine = replicated[random.below(Math.max(1, replicated.length))];
  if (machine !== undefined) holdReplica(world, machine, random.between(1, 40) * HOUR_MS, enqueue);
}

export async function checkAll(world: CheckedWorld): Promise<void> {
  for (const machine of world.model.machines.values()) {
    for (const point of [...machine.points, machine.replica])
      if (point !== undefined && !world.isWrong) await checkPoint(world, machine, point);
  }
}

/** What is listed is what is to be listed, and the replicas are those that are to be. */
export function checkLists(world: CheckedWorld): void {
  const { life } = world;
  if (life?.isServing !== true) return;
  for (const machine of world.model.machines.values()) {
    world.match(life, machine);
    const listed = life.store.catalog.shadowCopies(machine.name).map(({ name }) => name);
    const known = machine.points.map(({ name }) => name);
    const text = (): string => `${listed.join(' ')}, not ${known.join(' ')}`;
    world.verdict.check('listed as in the model', listed.join(' ') === known.join(' '), machine.name, text);
    const replica = life.store.catalog.replica(machine.name)?.name;
    const other = (): string => `the replica is ${replica ?? 'none'}, not ${machine.replica?.name ?? 'none'}`;
    world.verdict.check('replica as in the model', replica === machine.replica?.name, machine.name, other);
  }
}

/** The scheduler's records are bounded, and say one thing. */
export async function checkJobs(world: CheckedWorld): Promise<void> {
  const { life } = world;
  if (life?.isServing !== true) return;
  const listed = await world.pump(life.scheduling.list({ limit: 1_000_000 }));
  if (listed === undefined || 'error' in listed) return;
  const { jobs } = listed.value;
  const open = jobs.filter(({ state }) => state === 'waiting' || state === 'running' || state === 'retrying');
  const machines = new Set(open.map(({ machine }) => machine));
  const ids = new Set(jobs.map(({ id }) => id));
  const most = JOB_KINDS.length * (MOST_ENDED + 2 * world.model.machines.size);
  const { verdict } = world;
  verdict.check(
    'job records',
    machines.size === open.length,
    '',
    () => `${open.length} open jobs of ${machines.size} machines`,
  );
  verdict.check('job records', ids.size === jobs.length, '', () => `${jobs.length} jobs with ${ids.size} numbers`);
  verdict.check('job records', jobs.length - open.length <= most, '', () => `${jobs.length} jobs, at most ${most}`);
}

/** After the power was cut: no entry of the index points at what is not there. */
export async function checkIndex(world: CheckedWorld): Promise<void> {
  const { objects, meta } = world.disk.raw;
  for await (const [key, value] of meta.entries(prefixRange(MetaPrefix.digest))) {
    const sequence = readSequence(key, value);
    const name = objectName(key[1] ?? 0, key.subarray(2));
    const frame = sequence === undefined ? undefined : await objects.get(objectKey(sequence));
    const text = (): string => `the index has ${name.slice(0, 12)} as ${sequence ?? 'nothing'}, where it is not`;
    const isThere = frame !== undefined && nameOf(frame) === name;
    if (!world.verdict.check('index points at objects', isThere, '', text)) return;
  }
}

/** Collect while nothing else happens, and look at what is left. */
export async function checkCollected(world: CheckedWorld): Promise<void> {
  const { life, verdict } = world;
  if (life?.isAlive !== true || world.disk.isFull) return;
  const collected = await world.pump(
    life.run({ claim: { kind: 'gc' }, what: 'the store', run: ({ engine }, context) => engine.gc(context) }),
  );
  if (collected === undefined || world.life !== life) return;
  if ('error' in collected) {
    const isExpected = isUmbraError(collected.error, 'STORE_DAMAGED') && world.damaged.size > 0;
    verdict.check('nothing unreferenced, nothing missing', isExpected, '', () => messageOf(collected.error));
    return;
  }
  await forgetCollected(world);
  // What shadow copies refer to is read for it.
  if (world.damaged.size > 0) return;
  const expected = await world.pump(reachable(life.store));
  if (expected === undefined || 'error' in expected) {
    if (expected !== undefined)
      verdict.check('nothing unreferenced, nothing missing', false, '', () => messageOf(expected.error));
    return;
  }
  const stored = await storedObjects(world.disk.raw);
  const isOf = (name: string, type: number): boolean => name.startsWith(String(type));
  const garbage = [...stored.keys()].filter(
    (name) => !expected.value.has(name) && !isOf(name, ObjectType.settings) && !isOf(name, ObjectType.tombstone),
  );
  const missing = [...expected.value].filter((name) => !stored.has(name));
  const twice = [...stored].filter(([, sequences]) => sequences.length > 1);
  const settings = [...stored.keys()].filter((name) => isOf(name, ObjectType.settings));
  const text = (): string =>
    `${garbage.length} objects that nothing refers to, ${missing.length} missing, ${twice.length} twice, ${settings.length} of settings`;
  const isClean = garbage.length + missing.length + twice.length === 0 && settings.length === 1;
  verdict.check('nothing unreferenced, nothing missing', isClean, '', text);
}

/** Damage that nothing refers to any more is gone, and what was stored again is whole. */
async function forgetCollected(world: CheckedWorld): Promise<void> {
  if (world.damaged.size === 0) return;
  const left = new Set<string>();
  for await (const [, frame] of world.disk.raw.objects.entries(objectRange))
    if (!isWhole(frame)) left.add(nameOf(frame));
  for (const name of world.damaged.keys()) if (!left.has(name)) world.damaged.delete(name);
}

function isWhole(frame: Uint8Array): boolean {
  try {
    readFrameHeader(frame);
    return true;
  } catch (error) {
    if (error instanceof FrameError) return false;
    throw error;
  }
}

/** What is in memory has a bound. */
export async function checkMemory(world: CheckedWorld): Promise<void> {
  let entries = 0;
  for await (const _ of world.disk.raw.meta.keys()) entries += 1;
  const { heapUsed, external, rss } = process.memoryUsage();
  const ofEntries = entries * BYTES_OF_AN_OBJECT;
  const isBounded = heapUsed + external <= BYTES_AT_ONCE + ofEntries && rss <= PROCESS_BYTES_AT_ONCE + ofEntries;
  const text = (): string => `${heapUsed + external} bytes, and ${rss} of the process, for ${entries} entries`;
  world.verdict.check('memory', isBounded, '', text);
}
