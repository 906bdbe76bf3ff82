import { UmbraError } from '../../../src/common/errors.js';
import type { DiscoveredVolume } from '../../../src/protocol/agents-api.js';
import type { GuestControl } from '../../checkpoints/guest-control.js';
import { backingChain } from '../../discovery/backing-chain.js';
import type { Checkpoint } from '../tracker.js';
import type { StartImage } from './newest-overlay.js';
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

/** Whether overlays of ours may be on the disks of a machine of which only its images are known. */
export interface ImagesOptions {
  /** Whoever starts it starts it from the newest of them; so they may be merged and taken away. */
  readonly startsFromNewest?: boolean;
}

/**
 * A machine of which only its images are known: they are read while it is off. The overlays that its administrator puts on them
 * say what has changed, or those that were put there while it ran.
 */
export class ImagesMachine implements OverlayMachine {
  readonly control = OFF;
  readonly isOff = true;
  readonly startFrom: OverlayMachine['startFrom'];
  readonly #config: () => Promise<Checkpoint['config']>;
  #volumes: readonly DiscoveredVolume[];

  constructor(
    volumes: readonly DiscoveredVolume[],
    config: () => Promise<Checkpoint['config']>,
    { startsFromNewest = false }: ImagesOptions = {},
  ) {
    this.#volumes = volumes;
    this.#config = config;
    // Nothing is to be done for it: the others are gone.
    this.startFrom = startsFromNewest ? (disk, image) => this.#replace(disk, image) : undefined;
  }

  run(): Promise<undefined> {
    return Promise.resolve(undefined);
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

  config(): Promise<Checkpoint['config']> {
    return this.#config();
  }

  close = nothing;

  #replace({ volume }: ChainDisk, image: StartImage): Promise<void> {
    this.#volumes = this.#volumes.map((each) => (each.name === volume ? { ...each, ...image } : each));
    return Promise.resolve();
  }
}

function refused(): Promise<void> {
  return Promise.reject(
    new UmbraError('TRACKER_UNAVAILABLE', 'nobody leads to the machine: it is followed while it is off'),
  );
}
