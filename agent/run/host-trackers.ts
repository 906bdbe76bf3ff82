import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Clock } from '../../src/common/clock.js';
import type { Log } from '../../src/common/log.js';
import type { DiscoveredMachine, DiscoveredVolume } from '../../src/protocol/agents-api.js';
import { makeDirectories } from '../../src/system/make-directory.js';
import type { CheckpointScripts } from '../checkpoints/scripts.js';
import { StandstillNotes } from '../checkpoints/standstill-note.js';
import { libvirtConfig } from '../discovery/libvirt.js';
import { LiveDevice } from '../images/live-device.js';
import { libvirtAddress, type LibvirtAddress } from '../libvirt/address.js';
import { AsIsTracker } from '../trackers/differencing/as-is-tracker.js';
import { DifferencingTracker } from '../trackers/differencing/differencing-tracker.js';
import { ImagesMachine } from '../trackers/differencing/images-machine.js';
import { LibvirtOverlayMachine } from '../trackers/differencing/libvirt-machine.js';
import { LiveAsIsTracker } from '../trackers/differencing/live-as-is-tracker.js';
import type { OverlayMachine } from '../trackers/differencing/overlay-machine.js';
import { openOnOrOff } from '../trackers/differencing/qmp-machine.js';
import { Libvirt } from '../libvirt/libvirt.js';
import { filterState } from '../trackers/filter/filter-state.js';
import { FilterTracker } from '../trackers/filter/filter-tracker.js';
import { LibvirtBitmapTracker } from '../trackers/qemu-bitmap-libvirt/libvirt-bitmap-tracker.js';
import { OnOrOffTracker } from '../trackers/qemu-bitmap/on-or-off-tracker.js';
import { LiveScanTracker } from '../trackers/scan/live-scan-tracker.js';
import { ScanTracker } from '../trackers/scan/scan-tracker.js';
import type { Checkpoint } from '../trackers/tracker.js';
import type { AgentConfig, QmpMachine } from './agent-config.js';
import type { Candidate } from './candidate.js';
import {
  machineStandstill,
  openLibvirtControl,
  openQemuControl,
  type MachineStandstillOptions,
  type OpenedControl,
} from './machine-standstill.js';

export interface HostTrackersOptions {
  readonly config: AgentConfig;
  readonly clock: Clock;
  readonly log: Log;
}

const SCRIPT_SECONDS = 60;

/** The trackers that a machine of this host can have, the best first, with why it can't have the others. */
export async function hostTrackers(
  options: HostTrackersOptions,
  machine: DiscoveredMachine,
  name: string,
): Promise<readonly Candidate[]> {
  const { config } = options;
  const stateDirectory = join(config.state, 'machines', name);
  const scratchDirectory = join(config.scratch, name);
  for (const directory of [stateDirectory, scratchDirectory]) await makeDirectories(directory);
  const places = { name, stateDirectory, scratchDirectory };
  return [
    bitmap(options, machine, places),
    filter(options, machine, places),
    differencing(options, machine, places),
    scan(options, machine, places),
    asIs(options, machine, places),
  ];
}

interface Places {
  readonly name: string;
  readonly stateDirectory: string;
  readonly scratchDirectory: string;
}

/** @param records - false: only its view of a running machine is wanted */
function bitmap(
  { config, clock, log }: HostTrackersOptions,
  machine: DiscoveredMachine,
  places: Places,
  records = true,
): Candidate {
  const kind = 'qemu-bitmap';
  const { name, ...directories } = places;
  const common = { machine: name, ...directories, records, ...standstillSettings(config), clock, log };
  if (machine.source === 'libvirt' && machine.uuid !== undefined) {
    return { kind, tracker: new LibvirtBitmapTracker({ ...common, address: addressOf(config), uuid: machine.uuid }) };
  }
  const monitor = monitorOf(config, machine);
  if (monitor === undefined) {
    return { kind, reason: 'neither libvirt nor a QMP socket in the configuration leads to its QEMU' };
  }
  const { socket: qmpSocket, guestAgent } = monitor;
  const guestAgentSocket = guestAgent === undefined ? {} : { guestAgentSocket: guestAgent };
  return { kind, tracker: new OnOrOffTracker({ ...common, volumes: machine.volumes, qmpSocket, ...guestAgentSocket }) };
}

function filter(options: HostTrackersOptions, machine: DiscoveredMachine, places: Places): Candidate {
  const { config, clock, log } = options;
  const kind = 'filter';
  const directory = config.filters.find((candidate) =>
    machine.volumes.every(({ path }) => path.startsWith(`${candidate}/`)),
  );
  if (directory === undefined) return { kind, reason: 'no filter is over the directory of its images' };
  const { name, stateDirectory } = places;
  const open = controlOf(config, machine, clock);
  const standstill = machineStandstill({
    machine: name,
    ...standstillSettings(config),
    // The same that other trackers of this machine write: whoever comes next undoes it.
    notes: new StandstillNotes(join(stateDirectory, 'standstill.json')),
    ...(open === undefined ? {} : { open }),
    clock,
    log,
  });
  const tracker = new FilterTracker({
    machine: name,
    volumes: machine.volumes,
    filterState: filterState(config.state, directory),
    state: join(stateDirectory, 'filter'),
    config: () => configOf(options, machine),
    standstill,
  });
  return { kind, tracker };
}

/** What runs a machine; undefined if that is nothing that can be spoken to. */
function controlOf(
  config: AgentConfig,
  machine: DiscoveredMachine,
  clock: Clock,
): (() => Promise<OpenedControl>) | undefined {
  const { source, uuid } = machine;
  if (source === 'libvirt' && uuid !== undefined) return () => openLibvirtControl(addressOf(config), uuid, clock);
  const monitor = monitorOf(config, machine);
  return monitor && (() => openQemuControl(monitor.socket, monitor.guestAgent, clock));
}

function addressOf({ libvirt }: AgentConfig): LibvirtAddress {
  return libvirtAddress(libvirt, { runtimeDirectory: process.env['XDG_RUNTIME_DIR'] });
}

function monitorOf({ qmp }: AgentConfig, { source, name }: DiscoveredMachine): QmpMachine | undefined {
  return source === 'qmp' ? qmp.find((candidate) => candidate.name === name) : undefined;
}

function standstillSettings(config: AgentConfig): Pick<MachineStandstillOptions, 'quiesce' | 'freezeMs' | 'scripts'> {
  const scripts = scriptsOf(config);
  return {
    quiesce: config.quiesce,
    freezeMs: config.freezeSeconds * 1000,
    ...(scripts === undefined ? {} : { scripts }),
  };
}

function differencing(options: HostTrackersOptions, machine: DiscoveredMachine, places: Places): Candidate {
  const { config, clock, log } = options;
  const kind = 'differencing';
  const { name, stateDirectory } = places;
  const common = { machine: name, stateDirectory, ...standstillSettings(config), clock, log };
  const open = overlayMachineOf(options, machine);
  if (typeof open === 'function') return { kind, tracker: new DifferencingTracker({ ...common, open }) };
  if (machine.source === 'qmp') return { kind, reason: open };
  const images = new ImagesMachine(machine.volumes, () => configOf(options, machine));
  return { kind, tracker: new DifferencingTracker({ ...common, open: () => Promise.resolve(images) }) };
}

/**
 * Overlays stay on the disks between backups. Who starts the machine from its own image then, starts it without what was written
 * since: libvirt keeps its definition in step, other QEMUs are started by commands that nobody here knows.
 * @returns why none can be put on its disks while it runs, where that is so
 */
function overlayMachineOf(
  options: HostTrackersOptions,
  machine: DiscoveredMachine,
): (() => Promise<OverlayMachine>) | string {
  const { config, clock } = options;
  const { source, uuid } = machine;
  if (source === 'libvirt' && uuid !== undefined) {
    return () => LibvirtOverlayMachine.open({ address: addressOf(config), uuid, clock });
  }
  if (source !== 'qmp') return 'nobody leads to the machine';
  const monitor = monitorOf(config, machine);
  if (monitor?.overlays !== true) {
    return 'the configuration does not say that it is started from the newest overlay (qmp: … overlays: true)';
  }
  const { socket: qmpSocket, guestAgent } = monitor;
  const agent = guestAgent === undefined ? {} : { guestAgentSocket: guestAgent };
  const off = new ImagesMachine(machine.volumes, () => configOf(options, machine), { startsFromNewest: true });
  return () => openOnOrOff({ qmpSocket, clock, ...agent }, off);
}

/** An image that a guest writes to is of no one instant: of a machine that runs, QEMU's own view is read. */
function scan(options: HostTrackersOptions, machine: DiscoveredMachine, places: Places): Candidate {
  const { clock } = options;
  const view = machine.state === 'off' ? undefined : bitmap(options, machine, places, false);
  if (view !== undefined && 'tracker' in view) return { kind: 'scan', tracker: new LiveScanTracker(view.tracker) };
  const stateFile = join(places.stateDirectory, 'scan.json');
  const readConfig = (): Promise<Checkpoint['config']> => configOf(options, machine);
  const { volumes, source } = machine;
  // The agent runs in it: nobody can lock its devices against it.
  const live = source === 'guest' ? { open: ({ path }: DiscoveredVolume) => LiveDevice.open(path) } : {};
  return { kind: 'scan', tracker: new ScanTracker({ volumes, stateFile, readConfig, clock, ...live }) };
}

function asIs(options: HostTrackersOptions, machine: DiscoveredMachine, places: Places): Candidate {
  const of = { kind: 'differencing', asIs: true } as const;
  const { config, clock, log } = options;
  const { name, stateDirectory } = places;
  const stateFile = join(stateDirectory, 'files.json');
  const open = overlayMachineOf(options, machine);
  if (typeof open === 'function') {
    const common = { machine: name, stateDirectory, ...standstillSettings(config), clock, log };
    return { ...of, tracker: new LiveAsIsTracker({ ...common, open, stateFile }) };
  }
  const { state, volumes } = machine;
  if (state === 'running' || state === 'paused') {
    const why =
      'the machine runs, and files are taken as they lie only while it is off, or where overlays can be put on them';
    return { ...of, reason: `${why}: ${open}` };
  }
  const readConfig = (): Promise<Checkpoint['config']> => configOf(options, machine);
  return { ...of, tracker: new AsIsTracker({ volumes, stateFile, readConfig, clock }) };
}

/** The configuration of a machine as it is now: its files, of which one that is gone is left out, or what libvirt says. */
async function configOf(
  { config, clock }: HostTrackersOptions,
  { source, uuid, configPaths }: DiscoveredMachine,
): Promise<Checkpoint['config']> {
  if (source === 'libvirt' && uuid !== undefined) return await libvirtConfigOf(addressOf(config), uuid, clock);
  const files = configPaths.map(async (path) => ({ name: basename(path), data: await readFile(path) }));
  const read = await Promise.allSettled(files);
  return read.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
}

async function libvirtConfigOf(address: LibvirtAddress, uuid: string, clock: Clock): Promise<Checkpoint['config']> {
  const libvirt = await Libvirt.open(address, clock);
  try {
    return await libvirtConfig(libvirt, await libvirt.domainByUuid(uuid));
  } finally {
    await libvirt.close();
  }
}

function scriptsOf({ scripts }: AgentConfig): CheckpointScripts | undefined {
  if (scripts === undefined) return undefined;
  const { before, after, timeoutSeconds = SCRIPT_SECONDS, onFailure = 'abort', application = false } = scripts;
  return {
    ...(before === undefined ? {} : { before }),
    ...(after === undefined ? {} : { after }),
    timeoutMs: timeoutSeconds * 1000,
    onFailure,
    quiescesApplications: application,
  };
}
