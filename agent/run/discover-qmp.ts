import { join } from 'node:path';
import type { Clock } from '../../src/common/clock.js';
import { isUmbraError } from '../../src/common/errors.js';
import type { DiscoveredMachine, DiscoveredVolume } from '../../src/protocol/agents-api.js';
import type { QmpSocket } from '../discovery/discover.js';
import { discoverByQmp } from '../discovery/qmp.js';
import { HIDDEN_BY_JOB } from '../qemu/disks.js';
import { newestOf, ownImage, type StartImage } from '../trackers/differencing/newest-overlay.js';
import type { AgentConfig, QmpMachine } from './agent-config.js';
import { SeenMachines } from './seen-machines.js';

/**
 * Looks at the sockets of the configuration. A machine whose monitor a backup holds just now is as it was seen last; one whose
 * QEMU is gone is off, and begins with the newest of the overlays that it was given since.
 */
export function qmpDiscovery(
  { qmp, state }: Pick<AgentConfig, 'qmp' | 'state'>,
  clock: Clock,
): (where: QmpSocket) => Promise<DiscoveredMachine> {
  const sockets = qmp.map(({ name, socket }) => ({ name, socket }));
  const seen = new SeenMachines(join(state, 'qmp-machines.json'));
  return async (where) => {
    const { name, socket } = where;
    const hasOverlays = overlaysOf(qmp, where);
    try {
      // It goes by the name that it has in the configuration: by that its monitor is found.
      const place = { isAway: false };
      const migratedAway = (): void => {
        place.isAway = true;
      };
      const found = await discoverByQmp({ qmpSocket: socket, fallbackName: name, clock, migratedAway });
      const machine = { ...found, name };
      const images = hasOverlays ? { images: await imagesOf(machine.volumes) } : {};
      // A disk that a job hides is there when the job is over, or the QEMU.
      const isWhole = !machine.skipped.some(({ reason }) => reason === HIDDEN_BY_JOB);
      if (place.isAway) await seen.forget(where);
      else if (isWhole) await seen.see(where, { ...machine, ...images }, sockets);
      return machine;
    } catch (error) {
      if (!isUmbraError(error, 'TRACKER_BUSY', 'TRACKER_UNAVAILABLE')) throw error;
      const before = await seen.last(where);
      if (before === undefined) throw error;
      const { images = {}, ...machine } = before;
      return error.code === 'TRACKER_BUSY' ? machine : await offNow(machine, hasOverlays ? images : {});
    }
  };
}

function overlaysOf(qmp: readonly QmpMachine[], { name, socket }: QmpSocket): boolean {
  return qmp.some((each) => each.name === name && each.socket === socket && each.overlays === true);
}

async function imagesOf(volumes: readonly DiscoveredVolume[]): Promise<Readonly<Record<string, StartImage>>> {
  const images: [string, StartImage][] = [];
  for (const volume of volumes) {
    const image = await ownImage(volume).catch(() => undefined);
    if (image !== undefined) images.push([volume.name, image]);
  }
  return Object.fromEntries(images);
}

/** @throws {UmbraError} TRACKER_UNAVAILABLE when it may start from several overlays */
async function offNow(
  machine: DiscoveredMachine,
  images: Readonly<Record<string, StartImage>>,
): Promise<DiscoveredMachine> {
  const volumes: DiscoveredVolume[] = [];
  for (const volume of machine.volumes) {
    const own = images[volume.name];
    volumes.push(own === undefined ? volume : await newestOf(volume, own));
  }
  return { ...machine, state: 'off', volumes };
}
