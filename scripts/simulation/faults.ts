import { ObjectType } from '../../src/codec/formats.js';
import type { Random } from '../../test/kit/random.js';
import type { FaultKind } from './options.js';
import type { SimAgent } from './sim-agent.js';
import type { SimWorld } from './sim-world.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** Wall clocks show nothing before and behind this: what is planned for later would not fit in any record. */
const EARLIEST_MS = Date.parse('2015-01-01T00:00:00Z');
const LATEST_MS = Date.parse('2080-01-01T00:00:00Z');

/** Have something happen again and again, so long after each other on average. */
export function often(world: SimWorld, random: Random, meanMs: number, happen: () => void): void {
  const next = (): void => {
    const delayMs = Math.ceil(-Math.log(1 - random.fraction()) * meanMs);
    world.clock.after(delayMs, () => {
      happen();
      next();
    });
  };
  next();
}

/** What goes wrong without anybody's doing. @param onForth what somebody does who has set the clock forth */
export function beginFaults(world: SimWorld, onForth: () => Promise<void>): void {
  const begin: Partial<Record<FaultKind, () => void>> = {
    outages: () => {
      for (const agent of world.agents.values()) beginOutages(world, agent);
    },
    agents: () => {
      beginLostTrackers(world);
    },
    stops: () => {
      beginStops(world);
    },
    clock: () => {
      beginSetting(world, onForth);
    },
    'disk-full': () => {
      beginFullDisks(world);
    },
    damage: () => {
      beginDamage(world);
    },
  };
  for (const kind of world.faults) begin[kind]?.();
}

function beginOutages(world: SimWorld, agent: SimAgent): void {
  const random = world.random(`outages of ${agent.host}`);
  const away = (forMs: number, isWhole: boolean): void => {
    if (!agent.isOnline) return;
    world.history.add(isWhole ? 'host away' : 'network away', '', agent.host);
    agent.isOnline = false;
    agent.disconnect(isWhole);
    for (const machine of world.model.machines.values()) if (machine.host === agent.host) machine.away();
    world.clock.after(forMs, () => {
      agent.isOnline = true;
      world.history.add('host back', '', agent.host);
      if (world.life !== undefined) agent.connect(world.life);
    });
  };
  often(world, random, 25 * DAY_MS, () => {
    const kind = random.fraction();
    if (kind < 0.6) away(random.between(1, 300) * MINUTE_MS, true);
    else if (kind < 0.9) away(random.between(3, 48) * HOUR_MS, true);
    else away(random.between(5, 21) * DAY_MS, true);
  });
  often(world, random, 10 * DAY_MS, () => {
    away(random.between(10, 900) * 1000, false);
  });
}

/** Agents lose what they know of changes, and send everything. */
function beginLostTrackers(world: SimWorld): void {
  const random = world.random('trackers');
  often(world, random, 2 * DAY_MS, () => {
    const machines = [...world.agents.values()].flatMap((agent) => agent.machines);
    machines[random.below(Math.max(1, machines.length))]?.checkpoints.clear();
  });
}

/** Servers are stopped, for a new version or for a move. */
function beginStops(world: SimWorld): void {
  const random = world.random('stops');
  often(world, random, 20 * DAY_MS, () => {
    world.tasks.push(async () => {
      await world.stopServer();
      const downMs = random.chance(0.9) ? random.between(1, 120) * MINUTE_MS : random.between(1, 9) * DAY_MS;
      if (world.isIdle()) world.startLater(downMs);
    });
  });
}

/** Wall clocks are set, and set right again. */
function beginSetting(world: SimWorld, onForth: () => Promise<void>): void {
  const random = world.random('clock');
  let isWrong = false;
  const set = (byMs: number): void => {
    world.clock.set(byMs);
    world.circumstances.clockSet();
    world.history.add('clock set', '', `by ${(byMs / HOUR_MS).toFixed(2)} h`);
  };
  often(world, random, 15 * DAY_MS, () => {
    if (isWrong) return;
    const kind = random.fraction();
    const amount =
      kind < 0.6
        ? random.between(1, 300) * MINUTE_MS
        : kind < 0.85
          ? random.between(6, 240) * HOUR_MS
          : random.between(30, 1500) * DAY_MS;
    const byMs = random.chance(0.5) ? amount : -amount;
    const { wallMs } = world.clock;
    if (wallMs + byMs < EARLIEST_MS || wallMs + byMs > LATEST_MS) return;
    set(byMs);
    isWrong = true;
    if (byMs > DAY_MS) world.tasks.push(onForth);
    world.clock.after(random.between(1, 72 * 60) * MINUTE_MS, () => {
      set(-byMs);
      isWrong = false;
    });
  });
}

function beginFullDisks(world: SimWorld): void {
  const random = world.random('disk-full');
  const fill = (isFull: boolean): void => {
    world.disk.isFull = isFull;
    world.circumstances.diskFull(isFull);
    world.history.add(isFull ? 'disk full' : 'disk has room');
  };
  often(world, random, 30 * DAY_MS, () => {
    if (world.disk.isFull) return;
    fill(true);
    world.clock.after(random.between(10, 72 * 60) * MINUTE_MS, () => {
      fill(false);
    });
  });
}

/** Bits on the disk change. */
function beginDamage(world: SimWorld): void {
  const random = world.random('damage');
  often(world, random, 20 * DAY_MS, () => {
    world.tasks.push(async () => {
      const types = random.chance(0.7) ? [ObjectType.chunk] : [ObjectType.leaf, ObjectType.inner];
      const name = await world.disk.damage(types);
      if (name === undefined) return;
      world.damaged.set(name, { foundMs: undefined });
      world.history.add('damage', '', name.slice(0, 12));
    });
  });
}
