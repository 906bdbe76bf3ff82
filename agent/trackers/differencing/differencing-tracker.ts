import { join } from 'node:path';
import { systemClock, type Clock } from '../../../src/common/clock.js';
import { UmbraError } from '../../../src/common/errors.js';
import { silentLog, type Log } from '../../../src/common/log.js';
import { undoStandstill } from '../../checkpoints/let-go.js';
import { standstill, type Standstill, type StandstillOptions } from '../../checkpoints/standstill.js';
import { StandstillNotes } from '../../checkpoints/standstill-note.js';
import { imageFormat } from '../../discovery/formats.js';
import { openLayeredImage, type LayeredImage } from '../../images/layered-image.js';
import { qemuInfo } from '../../images/qemu-info.js';
import { asTrackerError } from '../../libvirt/guest-control.js';
import type { Checkpoint, CheckpointRequest, Tracker } from '../tracker.js';
import { checkCheckpointId, type MachineTrackerOptions } from '../tracker-options.js';
import { layersSince, nextMerge, writtenOf } from './chain.js';
import { mergeLayers, type MergeTools } from './merging.js';
import { overlayPath } from './names.js';
import { makeOverlayFiles, removeLeftOverlays } from './overlay-files.js';
import type { ChainDisk, Overlay, OverlayMachine, WhileStill } from './overlay-machine.js';
import { OverlayNotes, type RecordedVolume } from './overlay-state.js';
import { mergeToRelease, release } from './release.js';
import { layeredVolume } from './volume.js';

export interface DifferencingOptions extends MachineTrackerOptions {
  /** Connect to the machine. */
  readonly open: () => Promise<OverlayMachine>;
}

interface ChosenDisks {
  readonly chosen: readonly ChainDisk[];
  /** Nobody wants them, any more. */
  readonly others: readonly ChainDisk[];
  /** Why volumes are not among them, and what else is to be said, for people. */
  readonly remarks: readonly string[];
}

type Recorded = Readonly<Record<string, RecordedVolume>>;

interface OpenDisk {
  readonly disk: ChainDisk;
  readonly image: LayeredImage;
  /** Layers with all that has changed. */
  readonly count: number | undefined;
}

/**
 * Changes from overlays: each checkpoint puts one on every disk, and what the one before holds is what has changed. Once the
 * server has it, it is merged into what lies below. Needs nothing of the images: raw ones do, too.
 */
export class DifferencingTracker implements Tracker {
  readonly kind = 'differencing';
  readonly #options: DifferencingOptions;
  readonly #notes: OverlayNotes;
  readonly #standstill: StandstillNotes;
  readonly #clock: Clock;
  readonly #log: Log;

  constructor(options: DifferencingOptions) {
    this.#options = options;
    this.#notes = new OverlayNotes(join(options.stateDirectory, 'overlays.json'));
    this.#standstill = new StandstillNotes(join(options.stateDirectory, 'standstill.json'));
    this.#clock = options.clock ?? systemClock;
    this.#log = options.log ?? silentLog;
  }

  async checkpoint(request: CheckpointRequest): Promise<Checkpoint> {
    checkCheckpointId(request);
    const { since } = request;
    return await this.#withMachine(async (machine) => {
      const disks = await this.#disksOf(machine, request);
      const { checkpoints } = await this.#notes.read();
      const recorded = since === undefined ? {} : (checkpoints[since] ?? {});
      return machine.isOff
        ? await this.#offline(machine, disks, request, recorded)
        : await this.#live(machine, disks, request, recorded);
    }, false);
  }

  async recover(): Promise<void> {
    await this.#withMachine(() => Promise.resolve(), true);
  }

  async forget(): Promise<void> {
    await this.#withMachine(
      (machine) => release(machine, this.#mergeTools(machine), { clock: this.#clock, log: this.#log }),
      true,
    );
  }

  /** Overlays stay on the disks until the next checkpoint, or until they are let go of. */
  async isInUse(): Promise<boolean> {
    const { overlays, making } = await this.#notes.read();
    return overlays.length + making.length > 0;
  }

  /**
   * Connect, let the machine go on if that is not so, and take away what is left of an earlier checkpoint.
   * @param closes - whether the connection is of no use after `work`; it is closed in any case if that fails
   */
  async #withMachine<T>(work: (machine: OverlayMachine) => Promise<T>, closes: boolean): Promise<T> {
    try {
      const machine = await this.#options.open();
      try {
        const { machine: name } = this.#options;
        const options = { machine: name, notes: this.#standstill, clock: this.#clock, log: this.#log };
        await undoStandstill(machine.stillControl ?? machine.control, options);
        await machine.tidy((await this.#notes.read()).merging?.volume, this.#mergeTools(machine).whileStill);
        const result = await work(machine);
        if (closes) await machine.close();
        return result;
      } catch (error) {
        await machine.close();
        throw error;
      }
    } catch (error) {
      throw asTrackerError(error);
    }
  }

  #standstillOptions(signal: AbortSignal, quiesce: boolean): StandstillOptions {
    const { machine, freezeMs = 10_000, actionMs = 10_000 } = this.#options;
    return {
      machine,
      quiesce,
      freezeMs,
      actionMs,
      notes: this.#standstill,
      clock: this.#clock,
      log: this.#log,
      signal,
    };
  }

  #mergeTools(machine: OverlayMachine): MergeTools {
    const whileStill: WhileStill = async (action) => {
      const options = this.#standstillOptions(new AbortController().signal, false);
      await standstill(machine.stillControl ?? machine.control, options, action);
    };
    return { notes: this.#notes, whileStill };
  }

  async #disksOf(machine: OverlayMachine, { volumes }: CheckpointRequest): Promise<ChosenDisks> {
    const { disks, skipped } = await machine.disks();
    const isWanted = (name: string): boolean => volumes === undefined || volumes.includes(name);
    const remarks = skipped
      .filter(({ name }) => isWanted(name))
      .map(({ name, reason }) => `${name} is left out: ${reason}`);
    const known = new Set([...disks.map(({ volume }) => volume), ...skipped.map(({ name }) => name)]);
    for (const name of volumes ?? []) if (!known.has(name)) remarks.push(`the machine has no volume ${name}`);
    const chosen = disks.filter(({ volume }) => isWanted(volume));
    if (chosen.length === 0) {
      const why = remarks.length === 0 ? '' : `: ${remarks.join('; ')}`;
      throw new UmbraError('TRACKER_UNAVAILABLE', `the machine has no disk that can be read${why}`);
    }
    const chains = disks.map(({ layers }) => layers);
    for (const path of await removeLeftOverlays(this.#notes, chains)) {
      this.#log.warn('an overlay is no part of the machine any more, and is kept', { path });
      remarks.push(`${path} is no part of the machine any more: what it holds may be missing; it is kept`);
    }
    return { chosen, others: disks.filter((disk) => !chosen.includes(disk)), remarks };
  }

  async #live(
    machine: OverlayMachine,
    { chosen, others, remarks }: ChosenDisks,
    request: CheckpointRequest,
    recorded: Recorded,
  ): Promise<Checkpoint> {
    await machine.refuse(chosen);
    const isOther = ({ volume }: ChainDisk): boolean => others.some((disk) => disk.volume === volume);
    await mergeLayers(machine, this.#mergeTools(machine), (disk) => (isOther(disk) ? mergeToRelease(disk) : undefined));
    const overlays = chosen.map((disk) => ({ disk, path: overlayPath(disk.layers[0] ?? '', request.id, disk.volume) }));
    const below = new Map<string, number>();
    for (const { volume, layers, sizeBytes } of chosen) {
      const count = layersSince(await writtenOf(layers), sizeBytes, recorded[volume]);
      below.set(volume, layers.length - (count ?? layers.length));
    }
    const done = await this.#cover(machine, overlays, request);
    // Overlays of checkpoints that the server never had become one: so chains don't grow when backups fail.
    await mergeLayers(machine, this.#mergeTools(machine), (disk) =>
      disk.layers[0] === overlayOf(overlays, disk) ? nextMerge(disk, below.get(disk.volume)) : undefined,
    );
    const opened: OpenDisk[] = [];
    try {
      for (const { disk, path } of overlays) opened.push(await this.#openBehind(disk, path, recorded[disk.volume]));
      const chains = opened.map(({ image }) => [chainOf(image)]);
      await this.#record(request, opened, chains);
      const config = await machine.config();
      const { timeMs, consistency, pauseMs } = done;
      const made = { timeMs, consistency, pauseMs, notes: [...remarks, ...unknown(opened, request), ...done.remarks] };
      return this.#finished(machine, opened, { id: request.id, ...made, config }, () =>
        this.#merge(machine, overlays, request.id),
      );
    } catch (error) {
      await closeAll(opened);
      throw error;
    }
  }

  async #cover(
    machine: OverlayMachine,
    overlays: readonly Overlay[],
    { signal }: CheckpointRequest,
  ): Promise<Standstill<void>> {
    const { scripts, quiesce = true } = this.#options;
    const paths = overlays.map(({ path }) => path);
    await this.#notes.update(({ making }) => ({ making: [...making, ...paths] }));
    await makeOverlayFiles(overlays, await machine.owner());
    await machine.prepare(overlays);
    const options = { ...this.#standstillOptions(signal, quiesce), ...(scripts === undefined ? {} : { scripts }) };
    const done = await standstill(machine.control, options, async (late) => {
      await machine.cover(overlays);
      if (late.aborted) throw new UmbraError('TRACKER_FAILED', 'the machine went on before the checkpoint was made');
    });
    await this.#notes.update(({ making, overlays: before }) => ({
      making: making.filter((path) => !paths.includes(path)),
      overlays: [...before, ...paths],
    }));
    // A guest that was neither stopped nor frozen ran on all the time.
    const ranOn = machine.stillControl !== undefined && done.consistency === 'crash';
    return ranOn ? { ...done, pauseMs: 0 } : done;
  }

  /** What lies behind an overlay, and stays as it is. */
  async #openBehind(disk: ChainDisk, overlay: string, recorded: RecordedVolume | undefined): Promise<OpenDisk> {
    const { backing } = await qemuInfo(overlay, 'qcow2');
    const format = imageFormat(backing?.format ?? '');
    if (backing === undefined || format === undefined) {
      throw new UmbraError('IMAGE_FORMAT', `${overlay} does not say what it lies on`);
    }
    const image = await openLayeredImage(backing.path, { format, clock: this.#clock, isFrozen: true });
    return { disk, image, count: layersSince(chainOf(image), image.sizeBytes, recorded) };
  }

  async #offline(
    machine: OverlayMachine,
    { chosen, remarks }: ChosenDisks,
    request: CheckpointRequest,
    recorded: Recorded,
  ): Promise<Checkpoint> {
    const opened: OpenDisk[] = [];
    try {
      for (const disk of chosen) {
        const { format, layers, volume } = disk;
        const image = await openLayeredImage(layers[0] ?? '', { format, clock: this.#clock, isFrozen: false });
        opened.push({ disk, image, count: layersSince(chainOf(image), image.sizeBytes, recorded[volume]) });
      }
      // If nobody has written to it by then, all that is there; else what held the changes before, which holds those to come.
      const chains = opened.map(({ disk: { volume }, image, count }) => {
        return [chainOf(image), ...(count === undefined ? [] : (recorded[volume]?.chains ?? []))];
      });
      await this.#record(request, opened, chains);
      const isOffline = opened.every(({ image }) => image.consistency === 'offline');
      const made = {
        id: request.id,
        timeMs: this.#clock.now(),
        consistency: isOffline ? 'offline' : 'crash',
        pauseMs: 0,
        notes: [...remarks, ...unknown(opened, request)],
        config: await machine.config(),
      } as const;
      return this.#finished(machine, opened, made, () => Promise.resolve());
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
    await this.#notes.update(({ checkpoints }) => ({
      checkpoints: {
        ...(since === undefined ? {} : { [since]: checkpoints[since] ?? {} }),
        [id]: Object.fromEntries(volumes),
      },
    }));
  }

  /** The server has it all: what the overlays below the new ones hold goes into the layers below them. */
  async #merge(machine: OverlayMachine, overlays: readonly Overlay[], id: string): Promise<void> {
    try {
      await mergeLayers(machine, this.#mergeTools(machine), (disk) => {
        return overlayOf(overlays, disk) === undefined ? undefined : nextMerge(disk);
      });
    } finally {
      // Merging has written to the layers, and changed nothing of what is read from them.
      const { disks } = await machine.disks();
      const volumes: (readonly [string, RecordedVolume])[] = [];
      for (const disk of disks) {
        const { volume, layers, sizeBytes } = disk;
        const at = layers.indexOf(overlayOf(overlays, disk) ?? '');
        if (at >= 0) volumes.push([volume, { sizeBytes, chains: [await writtenOf(layers.slice(at + 1))] }]);
      }
      await this.#notes.update(() => ({ checkpoints: { [id]: Object.fromEntries(volumes) } }));
    }
  }

  #finished(
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
}

function overlayOf(overlays: readonly Overlay[], { volume }: ChainDisk): string | undefined {
  return overlays.find(({ disk }) => disk.volume === volume)?.path;
}

function chainOf({ layers }: LayeredImage): string[] {
  return layers.map(({ written }) => written);
}

/** Why changes are not known, for people. */
function unknown(opened: readonly OpenDisk[], { since }: CheckpointRequest): string[] {
  if (since === undefined) return [];
  const lost = opened.filter(({ count }) => count === undefined);
  return lost.map(
    ({ disk }) => `${disk.volume}: its images are not those of the last checkpoint, or were written to since`,
  );
}

async function closeAll(opened: readonly OpenDisk[]): Promise<void> {
  await Promise.allSettled(opened.map(({ image }) => image.close()));
}
