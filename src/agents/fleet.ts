import { changesBetween } from '../backup/change-count.js';
import { toHex } from '../codec/digest.js';
import type { Clock } from '../common/clock.js';
import { isUmbraError, UmbraError } from '../common/errors.js';
import type {
  AgentBackupAnswer,
  AgentBackupResult,
  BaseInfo,
  DiscoveredMachine,
  MachineInfo,
  MachinesResult,
  ProtectedMachine,
  ProtectRequest,
  UnprotectAnswer,
} from '../protocol/agents-api.js';
import type { JobKind } from '../protocol/jobs-api.js';
import type { Listing } from '../store/listing.js';
import type { Machines } from '../store/machines.js';
import type { Store } from '../store/store.js';
import { AgentConnections, type NewTask } from './agent-connections.js';
import { LeavingMachines } from './leaving-machines.js';
import { findSeen, isOf, nameFor, type Seen } from './seen-machines.js';

export interface FleetOptions {
  readonly store: () => Store;
  readonly machines: Machines;
  readonly clock: Clock;
  /** Called when nobody waits for a shadow copy of a machine any more: its upload may end. */
  readonly giveUp: (machine: string) => Promise<void>;
}

/** All machines that agents see or protect. */
export class Fleet {
  readonly connections: AgentConnections;
  readonly #options: FleetOptions;
  readonly #leaving: LeavingMachines;
  /** Machines that an agent is at, and what becomes of what it sends. */
  readonly #busy = new Map<string, JobKind>();

  constructor(options: FleetOptions) {
    this.#options = options;
    const { clock, machines } = options;
    this.connections = new AgentConnections(clock);
    this.#leaving = new LeavingMachines({ machines, connections: this.connections, clock });
    this.connections.onConnect((host) => {
      this.#limitOfNew(host);
      // A store that can't be asked now is asked when the agent connects the next time.
      this.#leaving.agentConnected(host).catch(() => undefined);
    });
  }

  list(): MachinesResult {
    const protectedMachines = this.#options.machines.list();
    const seen = this.#seen();
    const machines = protectedMachines.map((machine) =>
      this.#info(machine.host, machine.hostName, seen.find((other) => isOf(machine, other))?.machine, machine),
    );
    const others = seen
      .filter((other) => !protectedMachines.some((machine) => isOf(machine, other)))
      .map(({ host, machine }) => this.#info(host, machine.name, machine));
    const unseen = this.#options.machines
      .leaving()
      .filter((machine) => !seen.some((other) => isOf(machine, other)))
      .map(({ host, hostName }) => this.#info(host, hostName, undefined));
    const notes = [...this.connections.reports()].flatMap(([host, report]) =>
      report.notes.map((note) => ({ host, note })),
    );
    return { machines: [...machines, ...[...others, ...unseen].sort(byHost)], notes };
  }

  /** Those that are called so, with how the newest shadow copy of each was made. @throws {UmbraError} NOT_FOUND, STORE_* */
  async describe(wanted: string): Promise<MachinesResult> {
    const named = this.list().machines.filter(({ machine, hostName, uuid, lettingGo }) => {
      return [machine, hostName, uuid, lettingGo?.machine].includes(wanted);
    });
    if (named.length === 0) {
      throw new UmbraError('NOT_FOUND', `no agent sees or protects a machine "${wanted}"`, {
        hint: 'Run "umbra machines --discover" to see what agents see.',
      });
    }
    const machines = [];
    for (const info of named) machines.push({ ...info, ...(await this.#made(info)) });
    return { machines, notes: [] };
  }

  async #made({ machine }: MachineInfo): Promise<Pick<MachineInfo, 'made'>> {
    const store = this.#options.store();
    const listing = machine === undefined ? undefined : store.catalog.latest(machine);
    if (listing === undefined) return {};
    const { tracker, consistency, pauseMs, notes = [] } = await store.record(listing);
    return { made: { tracker, consistency, pauseMs, notes } };
  }

  /** Other policies hold: backups that run keep to what they say, too. */
  policiesChanged(): void {
    for (const host of this.connections.hosts()) this.#limit(host);
  }

  /** A store that can't be asked now is asked with each backup. */
  #limitOfNew(host: string): void {
    try {
      this.#limit(host);
    } catch (error) {
      if (!isUmbraError(error)) throw error;
    }
  }

  /** Policies that can't be understood change nothing of what the agent was told before. */
  #limit(host: string): void {
    const limits = this.#options.store().policies.limitsOf(host);
    if (limits === undefined) return;
    const { bytesPerSecond } = limits;
    this.connections.limit(host, bytesPerSecond === undefined ? {} : { bytesPerSecond });
  }

  /**
   * What a host may send of a machine just now: a shadow copy, or what its replica becomes. The agent need not know: it is the same.
   * @throws {UmbraError} FORBIDDEN when the machine is not one that this host protects; CANCELLED when nobody waits for a backup of it: it
   * was asked for by a server that was killed since
   */
  awaited(machine: string, host: string): JobKind {
    this.#options.machines.assertOf(machine, host);
    const kind = this.#busy.get(machine);
    if (kind === undefined) throw new UmbraError('CANCELLED', `nobody waits for a backup of ${machine} any more`);
    return kind;
  }

  /** Ask the agents that are connected to look again. */
  async discover(signal: AbortSignal): Promise<void> {
    const hosts = [...this.connections.reports().keys()].filter((host) => this.connections.isConnected(host));
    await Promise.all(hosts.map((host) => this.connections.run(host, { kind: 'discover' }, signal)));
  }

  /** @throws {UmbraError} NOT_FOUND, BAD_ARGUMENT, BAD_NAME, STORE_* */
  async protect(request: ProtectRequest): Promise<MachineInfo> {
    const { host, machine } = findSeen(this.#seen(), request);
    const { volumes, tracker = 'auto', asIs = false } = request;
    if (asIs && tracker !== 'auto' && tracker !== 'differencing') {
      throw new UmbraError('BAD_ARGUMENT', `the tracker ${tracker} reads disks, and no files as they are`, {
        hint: 'With --as-is only --tracker differencing goes, or none.',
      });
    }
    for (const name of volumes ?? []) {
      if (machine.volumes.some((volume) => volume.name === name)) continue;
      const known = machine.volumes.map((volume) => volume.name).join(', ');
      throw new UmbraError('NOT_FOUND', `${machine.name} has no volume "${name}"`, { hint: `It has: ${known}.` });
    }
    const name = nameFor(this.#options.machines.list(), request, { host, machine });
    const wanted: ProtectedMachine = {
      name,
      host,
      hostName: machine.name,
      tracker,
      ...(machine.uuid === undefined ? {} : { uuid: machine.uuid }),
      ...(volumes === undefined ? {} : { volumes }),
      ...(asIs ? { asIs } : {}),
    };
    await this.#options.machines.protect(wanted);
    return this.#info(host, machine.name, machine, wanted);
  }

  /**
   * Its shadow copies stay, and its replica becomes one, as nothing would replace it any more; its agent takes away what it kept to follow changes, if it is there, else when it is back. Of a machine in which
   * something was left the agent tries again.
   * @param signal - nobody waits for the agent any more
   * @throws {UmbraError} NOT_FOUND, STORE_*
   */
  async unprotect(name: string, signal: AbortSignal): Promise<UnprotectAnswer> {
    const kept = await this.#keepReplica(name);
    const machine = await this.#options.machines.unprotect(name);
    return { ...machine, ...kept, ...(await this.#leaving.letGo(machine, signal)) };
  }

  async #keepReplica(name: string): Promise<Pick<UnprotectAnswer, 'shadowCopy'>> {
    const store = this.#options.store();
    const isProtected = this.#options.machines.list().some((machine) => machine.name === name);
    if (!isProtected || store.catalog.replica(name) === undefined) return {};
    const kept = await store.keepReplica(name, changesBetween(store.reader)).catch(unlessDamaged);
    return kept === undefined ? {} : { shadowCopy: kept.record.name };
  }

  /**
   * Have a machine's agent make a shadow copy, or bring its replica up to date.
   * @throws {UmbraError} NOT_FOUND, MACHINE_BUSY, AGENT_UNREACHABLE, and what the agent fails with
   */
  async backUp(name: string, signal: AbortSignal, kind: JobKind = 'shadow-copy'): Promise<AgentBackupAnswer> {
    const machine = this.#options.machines.find(name);
    if (this.#busy.has(name)) {
      throw new UmbraError('MACHINE_BUSY', `a backup of ${name} is running`, {
        hint: 'Wait until it has ended; "umbra status" shows what runs.',
      });
    }
    this.#busy.set(name, kind);
    try {
      return await this.#backUp(machine, signal);
    } finally {
      this.#busy.delete(name);
    }
  }

  async #backUp(machine: ProtectedMachine, signal: AbortSignal): Promise<AgentBackupAnswer> {
    const { clock } = this.#options;
    const { name } = machine;
    const started = clock.monotonic();
    const base = await this.#base(name);
    this.#limit(machine.host);
    const task = { kind: 'backup', machine, ...(base === undefined ? {} : { base }) } as const;
    const result = await this.#run(name, machine.host, task, signal);
    if (result === undefined)
      throw new UmbraError('AGENT_FAILED', `the agent of ${machine.host} says nothing of its backup`);
    return { machine: name, host: machine.host, ...result, seconds: (clock.monotonic() - started) / 1000 };
  }

  /** An agent that was killed leaves its upload behind, which is kept for an agent that comes back: none does now. */
  async #run(name: string, host: string, task: NewTask, signal: AbortSignal): Promise<AgentBackupResult | undefined> {
    try {
      return await this.connections.run(host, task, signal);
    } catch (error) {
      await this.#options.giveUp(name);
      throw error;
    }
  }

  /** The newest that there is. */
  async #base(name: string): Promise<BaseInfo | undefined> {
    const { catalog } = this.#options.store();
    const replica = catalog.replica(name);
    // One that is damaged is replaced by what comes.
    const base = replica && (await this.#baseOf(replica).catch(unlessDamaged));
    if (base !== undefined) return base;
    const latest = catalog.latest(name);
    return latest && (await this.#baseOf(latest));
  }

  async #baseOf(listing: Listing): Promise<BaseInfo> {
    const { checkpoint, volumes } = await this.#options.store().record(listing);
    return {
      shadowCopy: listing.name,
      ...(checkpoint === undefined ? {} : { checkpoint }),
      volumes: volumes.map((volume) => ({ name: volume.name, sizeBytes: volume.sizeBytes, root: toHex(volume.root) })),
    };
  }

  #seen(): Seen[] {
    return [...this.connections.reports()].flatMap(([host, { machines }]) =>
      machines.map((machine) => ({ host, machine })),
    );
  }

  #info(host: string, hostName: string, discovered: DiscoveredMachine | undefined, of?: ProtectedMachine): MachineInfo {
    const uuid = of?.uuid ?? discovered?.uuid;
    const latest = of === undefined ? undefined : this.#options.store().catalog.latest(of.name)?.name;
    const left = of === undefined ? this.#leavingOf(host, hostName, discovered) : undefined;
    return {
      ...(of === undefined ? {} : { machine: of.name, tracker: of.tracker }),
      host,
      hostName,
      ...(uuid === undefined ? {} : { uuid }),
      isConnected: this.connections.isConnected(host),
      ...(discovered === undefined ? {} : { discovered }),
      ...(of?.volumes === undefined ? {} : { volumes: of.volumes }),
      ...(of?.asIs === undefined ? {} : { asIs: of.asIs }),
      ...(latest === undefined ? {} : { latest }),
      ...(left === undefined ? {} : { lettingGo: { machine: left.name, ...this.#leaving.stateOf(left) } }),
    };
  }

  #leavingOf(host: string, hostName: string, discovered: DiscoveredMachine | undefined): ProtectedMachine | undefined {
    return this.#options.machines.leaving().find((machine) => {
      if (discovered !== undefined) return isOf(machine, { host, machine: discovered });
      return machine.host === host && machine.hostName === hostName;
    });
  }
}

function unlessDamaged(error: unknown): undefined {
  if (!isUmbraError(error, 'STORE_DAMAGED')) throw error;
}

function byHost(a: MachineInfo, b: MachineInfo): number {
  return a.host === b.host ? (a.hostName < b.hostName ? -1 : 1) : a.host < b.host ? -1 : 1;
}
