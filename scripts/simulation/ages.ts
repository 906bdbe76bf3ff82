import type { WatchedMachine } from '../../src/scheduler/fleet.js';
import type { ModelMachine, Point } from './model-machine.js';
import type { CheckedWorld } from './world-parts.js';

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
/** What a store is certain of, it may have counted so much later. */
const SLACK_MS = 2 * MINUTE_MS;
/** So soon other policies hold. */
const SETTLED_MS = MINUTE_MS;

/** How old what is newest of each machine is, as the server says it. */
export async function checkAges(world: CheckedWorld): Promise<void> {
  const { life, model } = world;
  if (life?.isServing !== true) return;
  const told = await world.pump(life.scheduling.watched());
  if (told === undefined || 'error' in told || told.value === undefined || !life.isAlive) return;
  for (const watched of told.value) {
    const machine = model.machines.get(watched.machine);
    if (machine === undefined) continue;
    world.match(life, machine);
    checkMachine(world, machine, watched);
  }
}

function checkMachine(world: CheckedWorld, machine: ModelMachine, watched: WatchedMachine): void {
  const check = (holds: boolean, text: string): void => {
    world.verdict.check('ages as in the model', holds, machine.name, () => text);
  };
  const { newest, shadowCopy, ageMs, shadowCopyAgeMs, acceptableMs, state } = watched;
  const known = machine.newest;
  check(newest?.name === known?.name, `the newest is ${newest?.name ?? 'none'}, not ${known?.name ?? 'none'}`);
  const listed = machine.points.at(-1);
  check(shadowCopy?.name === listed?.name, `the newest shadow copy is ${shadowCopy?.name ?? 'none'}`);
  const isReplica = newest?.isReplica === true;
  check(isReplica === (machine.replica !== undefined), `the newest is ${isReplica ? 'a' : 'no'} replica`);
  const ages = [
    [known, ageMs],
    [listed, shadowCopyAgeMs],
  ] as const;
  for (const [point, age] of ages) if (point !== undefined) checkAge(world, machine, point, age ?? NaN);
  check((state === 'breach') === (ageMs ?? Infinity) > acceptableMs, `${state}: ${ageMs ?? '?'} of ${acceptableMs} ms`);
  const { clock, circumstances } = world;
  if (world.model.next !== undefined || machine.isChanging) return;
  if (clock.passedMs - circumstances.policiesMs < SETTLED_MS) return;
  const { dataLossHours } = world.model.policyOf(machine);
  check(acceptableMs === dataLossHours * HOUR_MS, `acceptable are ${acceptableMs} ms, not ${dataLossHours} h`);
}

/** The longer one of what wall clocks say and of what has certainly passed since it was stored. */
function checkAge(
  { verdict, clock, circumstances }: CheckedWorld,
  machine: ModelMachine,
  point: Point,
  ageMs: number,
): void {
  const wallMs = Math.max(0, clock.wallMs - point.timeMs);
  const leastMs = Math.max(wallMs, circumstances.certainMs - point.certainMs - SLACK_MS);
  const mostMs = Math.max(wallMs, clock.passedMs - point.madeMs);
  const text = (): string => `${point.name} is ${ageMs} ms old, not ${leastMs} to ${mostMs}`;
  verdict.check('ages as in the model', leastMs <= ageMs && ageMs <= mostMs, machine.name, text);
}
