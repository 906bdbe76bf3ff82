import { asTrackerError } from '../../libvirt/guest-control.js';
import type { Checkpoint, CheckpointRequest, Tracker } from '../tracker.js';
import { checkCheckpointId } from '../tracker-options.js';
import { layersSince, writtenOf } from './chain.js';
import { chooseDisks, type ChosenDisks } from './chosen-disks.js';
import { Covering, type DifferencingOptions } from './covering.js';
import { closeAll, openBehind, openOff, unknownOf, writtenIn, type OpenDisk } from './open-disk.js';
import { overlayOf, type Overlay, type OverlayMachine } from './overlay-machine.js';
import type { RecordedVolume } from './overlay-state.js';
import { layeredVolume } from './volume.js';

type Recorded = Readonly<Record<string, RecordedVolume>>;

/**
 * Changes from overlays: each checkpoint puts one on every disk, and what the one before holds is what has changed. Once the
 * server has it, it is merged into what lies below. Needs nothing of the images: raw ones do, too.
 */
export class DifferencingTracker implements Tracker {
  readonly kind = 'differencing';
  readonly #covering: Covering;

  constructor(options: DifferencingOptions) {
    this.#covering = new Covering(options);
  }

  async checkpoint(request: CheckpointRequest): Promise<Checkpoint> {
    checkCheckpointId(request);
    const { since } = request;
    const { notes, log } = this.#covering;
    return await this.#covering.withMachine(async (machine) => {
      const disks = await chooseDisks(machine, request, notes, log);
      const { checkpoints } = await notes.read();
      const recorded = since === undefined ? {} : (checkpoints[since] ?? {});
      return machine.isOff
        ? await this.#offline(machine, disks, request, recorded)
        : await this.#live(machine, disks, request, recorded);
    }, false);
  }

  recover(): Promise<void> {
    return this.#covering.recover();
  }

  forget(): Promise<void> {
    return this.#covering.release();
  }

  isInUse(): Promise<boolean> {
    return this.#covering.isInUse();
  }

  async #live(
    machine: OverlayMachine,
    disks: ChosenDisks,
    request: CheckpointRequest,
    recorded: Recorded,
  ): Promise<Checkpoint> {
    const below = (): Promise<ReadonlyMap<string, number>> => knownBelow(disks, recorded);
    const { overlays, done } = await this.#covering.cover(machine, disks, request, below);
    const opened: OpenDisk[] = [];
    try {
      for (const overlay of overlays) {
        opened.push(await openBehind(overlay, recorded[overlay.disk.volume], this.#covering.clock));
      }
      const chains = opened.map(({ image }) => [writtenIn(image)]);
      await this.#record(request, opened, chains);
      const config = await machine.config();
      const { timeMs, consistency, pauseMs } = done;
      const notes = [...disks.remarks, ...unknownOf(opened, request), ...done.remarks];
      return finished(machine, opened, { id: request.id, timeMs, consistency, pauseMs, notes, config }, () =>
        this.#merge(machine, overlays, request.id),
      );
    } catch (error) {
      await closeAll(opened);
      throw error;
    }
  }

  async #offline(
    machine: OverlayMachine,
    { chosen, remarks }: ChosenDisks,
    request: CheckpointRequest,
    recorded: Recorded,
  ): Promise<Checkpoint> {
    const { clock } = this.#covering;
    const opened: OpenDisk[] = [];
    try {
      for (const disk of chosen) opened.push(await openOff(disk, recorded[disk.volume], clock));
      // If nobody has written to it by then, all that is there; else what held the changes before, which holds those to come.
      const chains = opened.map(({ disk: { volume }, image, count }) => {
        return [writtenIn(image), ...(count === undefined ? [] : (recorded[volume]?.chains ?? []))];
      });
      await this.#record(request, opened, chains);
      const isOffline = opened.every(({ image }) => image.consistency === 'offline');
      const made = {
        id: request.id,
        timeMs: clock.now(),
        consistency: isOffline ? 'offline' : 'crash',
        pauseMs: 0,
        notes: [...remarks, ...unknownOf(opened, request)],
        config: await machine.config(),
      } as const;
      return finished(machine, opened, made, () => Promise.resolve());
    } catch (error) {
      await closeAll(opened);
      throw error;
    }
  }

  /** What is needed to know the changes since this checkpoint, or since the one before if the server never gets this one. */
  async #record(
    { id, since }: CheckpointRequest,
    opened: readonly OpenDisk[],
    chains: readonly RecordedVolume['chains'][],
  ): Promise<void> {
    const volumes = opened.map(({ disk, image: { sizeBytes } }, index) => {
      return [disk.volume, { sizeBytes, chains: chains[index] ?? [] }] as const;
    });
    await this.#covering.notes.update(({ checkpoints }) => ({
      checkpoints: {
        ...(since === undefined ? {} : { [since]: checkpoints[since] ?? {} }),
        [id]: Object.fromEntries(volumes),
      },
    }));
  }

  async #merge(machine: OverlayMachine, overlays: readonly Overlay[], id: string): Promise<void> {
    try {
      await this.#covering.mergeBelow(machine, overlays);
    } finally {
      // Merging has written to the layers, and changed nothing of what is read from them.
      const { disks } = await machine.disks();
      const volumes: (readonly [string, RecordedVolume])[] = [];
      for (const disk of disks) {
        const { volume, layers, sizeBytes } = disk;
        const at = layers.indexOf(overlayOf(overlays, disk) ?? '');
        if (at >= 0) volumes.push([volume, { sizeBytes, chains: [await writtenOf(layers.slice(at + 1))] }]);
      }
      await this.#covering.notes.update(() => ({ checkpoints: { [id]: Object.fromEntries(volumes) } }));
    }
  }
}

/** How many layers at the bottom hold what the server has; all of them where nobody knows. */
async function knownBelow({ chosen }: ChosenDisks, recorded: Recorded): Promise<ReadonlyMap<string, number>> {
  const below = new Map<string, number>();
  for (const { volume, layers, sizeBytes } of chosen) {
    const count = layersSince(await writtenOf(layers), sizeBytes, recorded[volume]);
    below.set(volume, layers.length - (count ?? layers.length));
  }
  return below;
}

function finished(
  machine: OverlayMachine,
  opened: readonly OpenDisk[],
  made: Pick<Checkpoint, 'id' | 'timeMs' | 'consistency' | 'pauseMs' | 'notes' | 'config'>,
  merge: () => Promise<void>,
): Checkpoint {
  let closing: Promise<void> | undefined;
  return {
    ...made,
    volumes: opened.map(({ disk, image, count }) => layeredVolume(disk.volume, image, count)),
    assertUnchanged: async () => {
      for (const { image } of opened) await image.assertUnchanged();
    },
    acknowledge: async () => {
      // QEMU can't write to what is read.
      await closeAll(opened);
      await merge().catch((error: unknown) => {
        throw asTrackerError(error);
      });
    },
    close: () => (closing ??= closeAll(opened).then(() => machine.close())),
  };
}
