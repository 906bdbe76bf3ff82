import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { cp, lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { PrivateLibvirt } from '../../libvirt.js';
import type { Random } from '../../random.js';
import { ext4Disk, type SmallDisk } from '../../small-disk.js';
import type { Teardown } from '../../umbra-program.js';
import { FleetAgent } from './agent.js';
import { agentGuest } from './agent-guest.js';
import { FilteredFleetMachine } from './filtered-machine.js';
import { LibvirtFleetMachine } from './libvirt-machine.js';
import type { FleetMachine } from './machine.js';
import { TestNetwork } from './network.js';
import { runProgram, umbra } from './program.js';
import { QmpFleetMachine } from './qmp-machine.js';
import { FleetServer } from './server.js';

const MIB = 1024 * 1024;
/** So large that a store on it has a reserve. */
const SERVER_DISK_BYTES = 1024 * MIB;
const AGENT_DISK_BYTES = 256 * MIB;

/**
 * What an agent keeps of a machine: its checkpoints, what its files were that are stored as they lie, its log of changes, its
 * overlays, what images were at a scan, and which tracker was the last.
 */
const KEPT = [
  'checkpoints.json',
  'files.json',
  'files-overlays.json',
  'filter',
  'overlays.json',
  'scan.json',
  'tracker',
];

/** A server, an agent in a network of its own, and machines of every kind, all of them real. Needs root. */
export interface Fleet {
  readonly server: FleetServer;
  readonly agent: FleetAgent;
  readonly network: TestNetwork;
  /** Absent where there are no hypervisors. */
  readonly libvirt: PrivateLibvirt | undefined;
  readonly machines: readonly FleetMachine[];
  /** Of the store. */
  readonly serverDisk: SmallDisk;
  /** Of the agent's state, of what guests overwrite meanwhile, and of the images that are followed by overlays. */
  readonly agentDisk: SmallDisk;
  /** What agents have left in their own directories, if no backup runs. */
  readonly left: () => string[];
  /** Copy the store and the agents' state into a directory, when nobody writes to them. */
  readonly keep: (directory: string) => Promise<void>;
}

export interface FleetOptions {
  /** One machine more is Linux with a guest agent, which takes long to start. */
  readonly withGuestAgent: boolean;
  /** False for no QEMU and no libvirt: only images below a filter. */
  readonly hasHypervisors?: boolean;
  /** The server makes shadow copies by itself. */
  readonly isScheduling?: boolean;
  /** More for the agent's configuration; lists are joined. */
  readonly settings?: FleetMachine['settings'];
}

/**
 * Everything runs, nothing is protected yet.
 * @param directory - short, for logs and images
 */
export async function startFleet(
  t: Teardown,
  directory: string,
  random: Random,
  { withGuestAgent, hasHypervisors = true, isScheduling = false, settings: more = {} }: FleetOptions,
): Promise<Fleet> {
  // Before libvirt, which sees no mount that comes later.
  const [serverDisk, agentDisk] = [ext4Disk(t, SERVER_DISK_BYTES), ext4Disk(t, AGENT_DISK_BYTES)];
  const places = {
    state: join(agentDisk.directory, 'state'),
    scratch: join(agentDisk.directory, 'scratch'),
    runtime: join(directory, 'run'),
  };
  const network = await TestNetwork.start(t);
  const libvirt = hasHypervisors ? await startLibvirt(t, join(directory, 'libvirt')) : undefined;
  const machines = [
    ...(libvirt === undefined ? [] : await hypervisedMachines(t, directory, libvirt, agentDisk)),
    new FilteredFleetMachine(t, directory, places.state, random),
    ...(libvirt !== undefined && withGuestAgent ? [await linuxMachine(libvirt, directory)] : []),
  ];
  const store = join(serverDisk.directory, 'store');
  for (const command of ['init', 'stop']) await runProgram(umbra(command, '--store', store));
  const server = new FleetServer(t, { store, address: network.address, directory, isScheduling });
  await server.start();
  const settings = {
    libvirt: libvirt?.socketPath ?? 'off',
    ...joined([...machines.map((machine) => machine.settings), more]),
  };
  const agent = new FleetAgent(t, directory, network, places, settings);
  await agent.enrol(server);
  await Promise.all(machines.map((machine) => machine.start()));
  agent.start();
  const left = (): string[] => [
    ...readdirSync(places.runtime).filter((name) => name.startsWith('umbra-')),
    ...machines.flatMap(({ name }) => [
      ...filesIn(join(places.scratch, name)),
      ...filesIn(join(places.state, 'machines', name)).filter((file) => !KEPT.includes(file)),
    ]),
  ];
  const keep = async (to: string): Promise<void> => {
    await cp(store, join(to, 'kept-store'), { recursive: true, filter: isNoSocket });
    await cp(places.state, join(to, 'kept-agent'), { recursive: true, filter: isNoSocket });
  };
  return { server, agent, network, libvirt, machines, serverDisk, agentDisk, left, keep };
}

/** None where the directory has gone, too. */
function filesIn(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}

async function isNoSocket(path: string): Promise<boolean> {
  return !(await lstat(path)).isSocket();
}

async function hypervisedMachines(
  t: Teardown,
  directory: string,
  libvirt: PrivateLibvirt,
  agentDisk: SmallDisk,
): Promise<FleetMachine[]> {
  return [
    await QmpFleetMachine.make(t, directory),
    await LibvirtFleetMachine.make(libvirt, {
      name: 'domain',
      directory: join(libvirt.directory, 'domain'),
      formats: ['qcow2', 'qcow2'],
    }),
    await LibvirtFleetMachine.make(libvirt, {
      name: 'overlaid',
      directory: join(agentDisk.directory, 'overlaid'),
      formats: ['raw', 'qcow2'],
      tracker: 'differencing',
      isOnFilledDisk: true,
    }),
  ];
}

async function linuxMachine(libvirt: PrivateLibvirt, directory: string): Promise<FleetMachine> {
  return await LibvirtFleetMachine.make(libvirt, {
    name: 'linux',
    directory: join(libvirt.directory, 'linux'),
    formats: ['qcow2', 'qcow2'],
    guest: await agentGuest(join(directory, 'initrd')),
  });
}

async function startLibvirt(t: Teardown, directory: string): Promise<PrivateLibvirt> {
  mkdirSync(directory);
  const libvirt = new PrivateLibvirt(directory);
  t.teardown(() => libvirt.end());
  await libvirt.start();
  return libvirt;
}

function joined(all: readonly FleetMachine['settings'][]): Record<string, unknown[]> {
  const settings: Record<string, unknown[]> = {};
  for (const one of all) for (const [key, values] of Object.entries(one)) (settings[key] ??= []).push(...values);
  return settings;
}
