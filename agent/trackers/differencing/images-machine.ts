import { UmbraError } from '../../../src/common/errors.js';
import type { DiscoveredVolume } from '../../../src/protocol/agents-api.js';
import type { GuestControl } from '../../checkpoints/guest-control.js';
import { backingChain } from '../../discovery/backing-chain.js';
import type { Checkpoint } from '../tracker.js';
import type { ChainDisk, OverlayMachine } from './overlay-machine.js';

const nothing = (): Promise<void> => Promise.resolve();

/** Nobody can be asked to stop it. */
const OFF: GuestControl = {
  state: () => Promise.resolve('off'),
  prepareFreeze: () => Promise.resolve('nobody leads to the machine'),
  freeze: nothing,
  thaw: nothing,
  pause: nothing,
  resume: nothing,
};

/**
 * A machine of which only its images are known: they are read while it is off. The overlays that its administrator puts on them
 * say what has changed.
 */
export class ImagesMachine implements OverlayMachine {
  readonly control = OFF;
  readonly isOff = true;
  readonly #volumes: readonly DiscoveredVolume[];
  readonly #config: () => Promise<Checkpoint['config']>;

  constructor(volumes: readonly DiscoveredVolume[], config: () => Promise<Checkpoint['config']>) {
    this.#volumes = volumes;
    this.#config = config;
  }

  owner(): Promise<number> {
    return Promise.resolve(0);
  }

  async disks(): ReturnType<OverlayMachine['disks']> {
    const disks: ChainDisk[] = [];
    for (const { name: volume, path, format, sizeBytes = 0 } of this.#volumes) {
      disks.push({ volume, format, sizeBytes, layers: [path, ...(await backingChain(path, format))] });
    }
    return { disks, skipped: [] };
  }

  refuse = refused;
  prepare = refused;
  cover = refused;
  merge = refused;
  tidy = nothing;
  /** Overlays of ours are on no disk of such a machine. */
  mergeOff = refused;

  config(): Promise<Checkpoint['config']> {
    return this.#config();
  }

  close = nothing;
}

function refused(): Promise<void> {
  return Promise.reject(
    new UmbraError('TRACKER_UNAVAILABLE', 'nobody leads to the machine: it is followed while it is off'),
  );
}
