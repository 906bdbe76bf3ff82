import { systemClock, type Clock } from '../../src/common/clock.js';
import { isUmbraError, messageOf } from '../../src/common/errors.js';
import type { DiscoveredMachine } from '../../src/protocol/agents-api.js';
import { libvirtAddress } from '../libvirt/address.js';
import { Libvirt } from '../libvirt/libvirt.js';
import { discoverConfigFiles } from './config-files.js';
import { discoverDirectory } from './directory.js';
import type { Found } from './found.js';
import { discoverGuest, type GuestOptions } from './guest.js';
import { discoverLibvirt } from './libvirt.js';
import { MachineList } from './machine-list.js';

/** Where an agent looks for machines. */
export interface DiscoveryConfig {
  /** `auto`, `off`, or as libvirtAddress takes it: a URI, or a socket's path. */
  readonly libvirt: string;
  /** Monitor sockets of QEMUs that libvirt knows nothing of. */
  readonly qmp: readonly QmpSocket[];
  /** Directories with configuration files; absolute. */
  readonly configFiles: readonly string[];
  /** Directories all of whose images are machines; absolute. */
  readonly directories: readonly string[];
  /** The machine that this program runs in, if it is one. */
  readonly guest?: GuestOptions;
}

export interface QmpSocket {
  /** What to call the machine. */
  readonly name: string;
  /** Absolute. */
  readonly socket: string;
}

export interface DiscoveryParts {
  /** Asks a QEMU what it is. */
  readonly discoverQmp: (socket: QmpSocket) => Promise<DiscoveredMachine>;
  /** XDG_RUNTIME_DIR, for libvirt's session daemon. */
  readonly runtimeDirectory?: string | undefined;
  readonly clock?: Clock;
}

/** A network file system that is gone answers never. */
const SOURCE_MS = 120_000;

/**
 * All machines of this host, each once: one that several sources know is shown as the first of them has it, in the order libvirt,
 * QMP, configuration files, directories. A source that fails is a note.
 */
export async function discover(config: DiscoveryConfig, parts: DiscoveryParts): Promise<Found> {
  const { clock = systemClock } = parts;
  const list = new MachineList();
  const ask = async (what: string, source: () => Promise<Found>): Promise<void> => {
    try {
      await list.add(await inTime(source(), clock));
    } catch (error) {
      list.note(`${what}: ${messageOf(error)}`);
    }
  };
  if (config.libvirt !== 'off') await ask('libvirt', () => askLibvirt(config, parts));
  for (const socket of config.qmp) {
    await ask(`QEMU at ${socket.socket}`, async () => ({ machines: [await parts.discoverQmp(socket)], notes: [] }));
  }
  for (const directory of config.configFiles) await ask(directory, () => discoverConfigFiles(directory));
  // Images that are known by now are no machines of their own.
  for (const directory of config.directories) await ask(directory, () => discoverDirectory(directory, list.images));
  const { guest } = config;
  if (guest !== undefined) await ask('the devices of this machine', () => discoverGuest(guest));
  return list.found();
}

async function askLibvirt(config: DiscoveryConfig, { runtimeDirectory, clock }: DiscoveryParts): Promise<Found> {
  try {
    const libvirt = await Libvirt.open(libvirtAddress(config.libvirt, { runtimeDirectory }), clock);
    try {
      return await discoverLibvirt(libvirt);
    } finally {
      await libvirt.close();
    }
  } catch (error) {
    const others = config.qmp.length + config.configFiles.length + config.directories.length;
    const hasOthers = others > 0 || config.guest !== undefined;
    // Nobody asked for it, and many hosts have none.
    if (config.libvirt === 'auto' && hasOthers && isUmbraError(error, 'HYPERVISOR_UNREACHABLE')) {
      return { machines: [], notes: [] };
    }
    throw error;
  }
}

async function inTime(work: Promise<Found>, clock: Clock): Promise<Found> {
  return await new Promise((resolve, reject) => {
    const stopWaiting = clock.after(SOURCE_MS, () => {
      resolve({ machines: [], notes: [`no answer within ${SOURCE_MS / 1000} s`] });
    });
    work.then(resolve, reject).finally(stopWaiting);
  });
}
