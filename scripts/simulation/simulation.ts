import { setImmediate } from 'node:timers/promises';
import { loadPolicyParser } from '../../src/policies/load-parser.js';
import { JOB_KINDS } from '../../src/protocol/jobs-api.js';
import { loadScheduler } from '../../src/scheduler/load-scheduler.js';
import { loadScrub } from '../../src/store/load-scrub.js';
import { Administration } from './administration.js';
import { checkAges } from './ages.js';
import { checkAll, checkCollected, checkJobs, checkLists, checkMemory, checkSome, holdSome } from './checks.js';
import { beginFaults, often } from './faults.js';
import type { FaultKind } from './options.js';
import { PLANTS, type PlantName } from './plants.js';
import { SimAgent } from './sim-agent.js';
import { BUILT_IN } from './sim-policies.js';
import { SimWorld } from './sim-world.js';
import type { Invariant, Violation } from './verdict.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** A Monday in winter. */
const START_MS = Date.parse('2027-01-04T09:00:00Z');
const MACHINES_OF_A_HOST = 12;

export interface SimulationOptions {
  readonly machines: number;
  readonly days: number;
  readonly seed: number;
  readonly faults: ReadonlySet<FaultKind>;
  /** What is wrong with the server; nothing without it. */
  readonly plant?: PlantName | undefined;
  /** Told now and then how far it is. */
  readonly progress?: (passedDays: number) => void;
  /** Told of all that happens. */
  readonly tell?: (line: string) => void;
}

/** What came of a run. */
export interface SimulationResult {
  readonly seed: number;
  readonly violation: Violation | undefined;
  /** When that was: of the world's time, and as wall clocks showed it. */
  readonly passedMs: number;
  readonly wallMs: number;
  /** What had happened before. */
  readonly before: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
  readonly checked: Readonly<Record<Invariant, number>>;
  readonly kept: number;
  readonly protectedMachines: number;
  readonly events: number;
  readonly digest: string;
}

/** Run a fleet through its years, or until something does not hold. */
export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const { machines, days, seed, faults, tell = (): void => undefined } = options;
  // The server loads these when it first needs them, which takes real time: the world would have gone on by then, now more, now less.
  await Promise.all([loadPolicyParser(), loadScheduler(), loadScrub()]);
  const planting = options.plant === undefined ? {} : PLANTS[options.plant];
  const hosts = Array.from(
    { length: Math.max(2, Math.ceil(machines / MACHINES_OF_A_HOST)) },
    (_, index) => `hv${index + 1}`,
  );
  const world = new SimWorld({ seed, startMs: START_MS, faults, document: BUILT_IN, planting, tell });
  for (const host of hosts) world.agents.set(host, new SimAgent(host, world, world.random(`agent ${host}`)));
  const administration = new Administration(world);
  await world.startServer();
  await administration.setUp(machines);
  beginFaults(world, () => administration.deleteProtected());
  administration.begin();
  beginChecks(world);
  await run(world, days * DAY_MS, options.progress);
  await end(world);
  return resultOf(world, seed, await serversView(world));
}

function beginChecks(world: SimWorld): void {
  const random = world.random('checks');
  const every = (meanMs: number, work: () => Promise<void>): void => {
    often(world, random, meanMs, () => world.tasks.push(work));
  };
  every(8 * HOUR_MS, () => checkSome(world, random, 8));
  every(10 * DAY_MS, () => checkJobs(world));
  const ofReplicas = world.random('checks of replicas');
  often(world, ofReplicas, 2 * DAY_MS, () => {
    holdSome(world, ofReplicas, (task) => world.tasks.push(task));
  });
  every(45 * DAY_MS, () => maintain(world));
  every(90 * DAY_MS, () => checkMemory(world));
  const look = (): void => {
    checkLists(world);
    world.watch.look();
    world.tasks.push(() => checkAges(world));
    world.clock.after(2 * HOUR_MS, look);
  };
  look();
}

/** Nothing is done by itself meanwhile: a server is stopped, and one that does nothing opens the store. */
async function maintain(world: SimWorld): Promise<void> {
  if (!world.isServing) return;
  await world.stopServer();
  if (!world.isIdle()) return;
  await world.startServer(false);
  await checkCollected(world);
  await world.stopServer();
  if (world.isIdle()) world.startLater(HOUR_MS);
}

async function run(world: SimWorld, endMs: number, progress: SimulationOptions['progress']): Promise<void> {
  let toldMs = 0;
  while (!world.isWrong) {
    const task = world.tasks.shift();
    if (task !== undefined) {
      await task();
      continue;
    }
    if (!world.clock.next(endMs)) break;
    await setImmediate();
    if (performance.now() - toldMs < 500) continue;
    toldMs = performance.now();
    progress?.(world.clock.passedMs / DAY_MS);
  }
}

/** All that is there at the end is whole, and nothing else is left when that was collected. */
async function end(world: SimWorld): Promise<void> {
  await untilServing(world);
  if (!world.isWrong) await maintain(world);
  await untilServing(world);
  if (world.isWrong) return;
  checkLists(world);
  await checkAges(world);
  await checkJobs(world);
  await checkAll(world);
  await checkMemory(world);
}

async function untilServing(world: SimWorld): Promise<void> {
  while (!world.isServing && !world.isWrong) {
    const task = world.tasks.shift();
    if (task !== undefined) await task();
    else if (!world.clock.next(Infinity)) break;
    await setImmediate();
  }
}

/** What the server says of the machine of which something did not hold. */
async function serversView(world: SimWorld): Promise<readonly string[]> {
  const { life, verdict, model } = world;
  const name = verdict.violation?.machine ?? '';
  const known = model.machines.get(name);
  if (known === undefined || life?.isServing !== true) return [];
  const { planned } = await life.scheduling.plan();
  const { jobs } = await life.scheduling.list({ machine: name, limit: 4 });
  return [
    `model: of ${known.host ?? 'nobody'}, troubles ${JOB_KINDS.map((kind) => known.runs[kind].troubles).join(' and ')}, ${JSON.stringify(model.policyOf(known))}`,
    ...planned.filter(({ machine }) => machine === name).map((run) => `plan: ${JSON.stringify(run)}`),
    ...(await Promise.all(jobs.map(({ id }) => life.scheduling.find(id)))).map((job) => `job: ${JSON.stringify(job)}`),
  ];
}

function resultOf(world: SimWorld, seed: number, view: readonly string[]): SimulationResult {
  const { verdict, history, clock, model } = world;
  const { violation } = verdict;
  const all = [...model.machines.values()];
  return {
    seed,
    violation,
    passedMs: clock.passedMs,
    wallMs: clock.wallMs,
    before: violation === undefined ? [] : [...history.last(40, violation.machine), '', ...view],
    counts: Object.fromEntries(history.counts),
    checked: Object.fromEntries(verdict.counts) as Record<Invariant, number>,
    kept: all.reduce((sum, { points }) => sum + points.length, 0),
    protectedMachines: all.filter(({ host }) => host !== undefined).length,
    events: history.length,
    digest: history.digest(),
  };
}
