import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../../random.js';
import type { Fleet } from './fleet.js';

type Mend = () => Promise<void> | void;

/** Something that happens to a fleet while it is backed up. */
export interface Strike {
  readonly name: string;
  /** @returns what makes it good again */
  readonly strike: () => Promise<Mend>;
  /** It is made good only when all that it befell has ended. */
  readonly lasts?: boolean;
}

/** So little that nothing more fits. */
const LEFT_BYTES = 64 * 1024;
/** A cut is over before anybody notices, or after requests have run out of time. */
const SHORT_MS = 1500;
const LONG_MS = 14_000;
/** Of cuts, so many are long. */
const LONG_PART = 0.15;

/** One of each kind, the same order each time, and two of them at once. */
export function strikesOf(fleet: Fleet, random: Random): Strike[] {
  const singles = singleStrikesOf(fleet, random);
  return [...singles, twoOf(singles, random)];
}

/** One of each kind, the same order each time. */
export function singleStrikesOf(fleet: Fleet, random: Random): Strike[] {
  const { server, agent, libvirt, machines } = fleet;
  return [
    kill('agent', agent.kill.bind(agent), agent.start.bind(agent)),
    kill('server', server.kill.bind(server), server.start.bind(server)),
    ...machines.map((machine) => kill(machine.name, machine.kill.bind(machine), machine.start.bind(machine))),
    ...(libvirt === undefined ? [] : [kill('libvirtd', libvirt.kill.bind(libvirt), libvirt.start.bind(libvirt))]),
    cut(fleet, random),
    fill("the server's disk", fleet.serverDisk),
    fill("the agent's disk", fleet.agentDisk),
  ];
}

function kill(name: string, end: () => Promise<void>, start: Mend): Strike {
  return {
    name: `${name} killed`,
    strike: async () => {
      await end();
      return start;
    },
  };
}

function cut({ network }: Fleet, random: Random): Strike {
  return {
    name: 'network cut',
    strike: async () => {
      network.cut();
      await sleep(random.fraction() * (random.chance(LONG_PART) ? LONG_MS : SHORT_MS));
      return network.mend.bind(network);
    },
  };
}

function fill(what: string, disk: Fleet['serverDisk']): Strike {
  return {
    name: `${what} full`,
    lasts: true,
    strike: () => {
      disk.fill(LEFT_BYTES);
      return Promise.resolve(disk.release.bind(disk));
    },
  };
}

/** Another two each time. */
function twoOf(singles: readonly Strike[], random: Random): Strike {
  return {
    name: 'two at once',
    strike: async () => {
      const rest = [...singles];
      return await together([1, 2].flatMap(() => rest.splice(random.below(rest.length), 1))).strike();
    },
  };
}

/** Several, one right after the other, and made good at the same time. */
export function together(strikes: readonly Strike[]): Strike {
  return {
    name: strikes.map(({ name }) => name).join(', '),
    strike: async () => {
      const mends: Mend[] = [];
      for (const { strike } of strikes) mends.push(await strike());
      return async () => {
        await Promise.all(mends.map(async (mend) => mend()));
      };
    },
    lasts: strikes.some(({ lasts }) => lasts),
  };
}
