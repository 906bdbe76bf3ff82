import { UmbraError } from '../../../src/common/errors.js';
import type { DiscoveredVolume } from '../../../src/protocol/agents-api.js';
import type { Checkpoint, CheckpointRequest, Tracker } from '../tracker.js';
import { checkCheckpointId } from '../tracker-options.js';
import { AsIsTracker } from './as-is-tracker.js';
import { chooseDisks, type ChosenDisks } from './chosen-disks.js';
import { Covering, type DifferencingOptions } from './covering.js';
import { imageBehind } from './newest-overlay.js';
import type { ChainDisk, OverlayMachine } from './overlay-machine.js';

export interface LiveAsIsOptions extends DifferencingOptions {
  /** Where it keeps what the files were at the last checkpoint; its directory is there. */
  readonly stateFile: string;
}

/**
 * Takes the files of a machine as they lie, also while it runs: then an overlay takes what it writes from one instant on, and stays
 * until the next checkpoint, which merges it into the file that it lies on. What lies below that is not written to, and not read again.
 */
export class LiveAsIsTracker implements Tracker {
  readonly kind = 'differencing';
  readonly #options: LiveAsIsOptions;
  readonly #covering: Covering;

  constructor(options: LiveAsIsOptions) {
    this.#options = options;
    // Its own: what else follows a machine by overlays lets go of it when files are asked for, and the other way round.
    this.#covering = new Covering({ ...options, notesName: 'files-overlays.json' });
  }

  async checkpoint(request: CheckpointRequest): Promise<Checkpoint> {
    checkCheckpointId(request);
    const { notes, log } = this.#covering;
    return await this.#covering.withMachine(async (machine) => {
      const disks = await chooseDisks(machine, request, notes, log);
      const made = machine.isOff
        ? await this.#files(machine, request, disks.chosen.map(topOf), false)
        : await this.#live(machine, disks, request);
      let closing: Promise<void> | undefined;
      return {
        ...made,
        notes: [...disks.remarks, ...made.notes],
        close: () => (closing ??= made.close().then(() => machine.close())),
      };
    }, false);
  }

  recover(): Promise<void> {
    return this.#covering.recover();
  }

  async forget(): Promise<void> {
    await this.#covering.release();
    await this.#tracker([], () => Promise.resolve([]), false).forget();
  }

  isInUse(): Promise<boolean> {
    return this.#covering.isInUse();
  }

  async #live(machine: OverlayMachine, disks: ChosenDisks, request: CheckpointRequest): Promise<Checkpoint> {
    for (const disk of disks.chosen) refuseFormat(disk);
    // All overlays of ours become a part of the files that they lie on, which are what is stored.
    const none = (): Promise<ReadonlyMap<string, number>> => Promise.resolve(new Map());
    const { overlays, done } = await this.#covering.cover(machine, disks, request, none);
    const volumes: DiscoveredVolume[] = [];
    for (const { disk, path } of overlays) {
      volumes.push({ name: disk.volume, backing: [], ...(await imageBehind(path)) });
    }
    const made = await this.#files(machine, request, volumes, true);
    const { timeMs, consistency, pauseMs } = done;
    return { ...made, timeMs, consistency, pauseMs, notes: [...made.notes, ...done.remarks] };
  }

  async #files(
    machine: OverlayMachine,
    request: CheckpointRequest,
    volumes: readonly DiscoveredVolume[],
    areFrozen: boolean,
  ): Promise<Checkpoint> {
    const tracker = this.#tracker(volumes, () => machine.config(), areFrozen);
    return await tracker.checkpoint({ ...request, volumes: volumes.map(({ name }) => name) });
  }

  #tracker(
    volumes: readonly DiscoveredVolume[],
    readConfig: () => Promise<Checkpoint['config']>,
    areFrozen: boolean,
  ): AsIsTracker {
    const { stateFile } = this.#options;
    return new AsIsTracker({ volumes, stateFile, readConfig, clock: this.#covering.clock, areFrozen });
  }
}

function topOf({ volume: name, format, layers }: ChainDisk): DiscoveredVolume {
  const [path = '', ...backing] = layers;
  return { name, path, format, backing };
}

/** Before there is an overlay on it. */
function refuseFormat({ volume, format }: ChainDisk): void {
  if (format === 'raw' || format === 'qcow2') return;
  throw new UmbraError('IMAGE_FORMAT', `${volume} is a ${format} image: it cannot be stored as it is`, {
    hint: 'Files are stored as they are where they are raw or qcow2; protect the machine without --as-is.',
  });
}
