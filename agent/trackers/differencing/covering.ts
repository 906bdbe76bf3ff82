import { join } from 'node:path';
import { systemClock, type Clock } from '../../../src/common/clock.js';
import { UmbraError } from '../../../src/common/errors.js';
import { silentLog, type Log } from '../../../src/common/log.js';
import { undoStandstill } from '../../checkpoints/let-go.js';
import { standstill, type Standstill, type StandstillOptions } from '../../checkpoints/standstill.js';
import { StandstillNotes } from '../../checkpoints/standstill-note.js';
import { asTrackerError } from '../../libvirt/guest-control.js';
import type { CheckpointRequest } from '../tracker.js';
import type { MachineTrackerOptions } from '../tracker-options.js';
import { nextMerge } from './chain.js';
import type { ChosenDisks } from './chosen-disks.js';
import { mergeLayers, type MergeTools } from './merging.js';
import { overlayPath } from './names.js';
import { makeOverlayFiles } from './overlay-files.js';
import { overlayOf, type ChainDisk, type Overlay, type OverlayMachine, type WhileStill } from './overlay-machine.js';
import { OverlayNotes } from './overlay-state.js';
import { mergeToRelease, release } from './release.js';
import { takeBack } from './take-back.js';

export interface DifferencingOptions extends MachineTrackerOptions {
  /** Connect to the machine. */
  readonly open: () => Promise<OverlayMachine>;
  /** The file in {@link stateDirectory} that says which overlays there are; `overlays.json` when absent. */
  readonly notesName?: string;
}

/** Overlays that the guest writes to from one instant on. */
export interface Covered {
  readonly overlays: readonly Overlay[];
  readonly done: Standstill<void>;
}

/** Puts overlays on the disks of a machine, and merges those that are of no use any more. */
export class Covering {
  readonly notes: OverlayNotes;
  readonly clock: Clock;
  readonly log: Log;
  readonly #options: DifferencingOptions;
  readonly #standstill: StandstillNotes;

  constructor(options: DifferencingOptions) {
    this.#options = options;
    const { stateDirectory, notesName = 'overlays.json' } = options;
    this.notes = new OverlayNotes(join(stateDirectory, notesName));
    this.#standstill = new StandstillNotes(join(stateDirectory, 'standstill.json'));
    this.clock = options.clock ?? systemClock;
    this.log = options.log ?? silentLog;
  }

  /**
   * Connect, let the machine go on if that is not so, and take away what is left of an earlier checkpoint.
   * @param closes - whether the connection is of no use after `work`; it is closed in any case if that fails
   */
  async withMachine<T>(work: (machine: OverlayMachine) => Promise<T>, closes: boolean): Promise<T> {
    try {
      const machine = await this.#options.open();
      try {
        const { machine: name } = this.#options;
        const options = { machine: name, notes: this.#standstill, clock: this.clock, log: this.log };
        await undoStandstill(machine.stillControl ?? machine.control, options);
        await machine.tidy((await this.notes.read()).merging?.volume, this.#mergeTools(machine).whileStill);
        await takeBack(machine, this.#mergeTools(machine), { machine: name, log: this.log });
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

  /**
   * Put an overlay on each disk that is chosen, all in one instant; disks that are not get their own images back.
   * @param below - by volume, how many layers at the bottom hold what the server has. Overlays of checkpoints that it never had
   *   become one above them: so chains don't grow when backups fail
   */
  async cover(
    machine: OverlayMachine,
    { chosen, others }: ChosenDisks,
    request: CheckpointRequest,
    below: () => Promise<ReadonlyMap<string, number>>,
  ): Promise<Covered> {
    await machine.refuse(chosen);
    const isOther = ({ volume }: ChainDisk): boolean => others.some((disk) => disk.volume === volume);
    await mergeLayers(machine, this.#mergeTools(machine), (disk) => (isOther(disk) ? mergeToRelease(disk) : undefined));
    const overlays = chosen.map((disk) => ({ disk, path: overlayPath(disk.layers[0] ?? '', request.id, disk.volume) }));
    const kept = await below();
    const done = await this.#put(machine, overlays, request);
    await mergeLayers(machine, this.#mergeTools(machine), (disk) =>
      disk.layers[0] === overlayOf(overlays, disk) ? nextMerge(disk, kept.get(disk.volume)) : undefined,
    );
    return { overlays, done };
  }

  /** The server has it all: what the overlays below the new ones hold goes into the layers below them. */
  async mergeBelow(machine: OverlayMachine, overlays: readonly Overlay[]): Promise<void> {
    await mergeLayers(machine, this.#mergeTools(machine), (disk) =>
      overlayOf(overlays, disk) === undefined ? undefined : nextMerge(disk),
    );
  }

  async recover(): Promise<void> {
    await this.withMachine(() => Promise.resolve(), true);
  }

  /** Give the machine its own images back. */
  async release(): Promise<void> {
    const surroundings = { clock: this.clock, log: this.log };
    await this.withMachine((machine) => release(machine, this.#mergeTools(machine), surroundings), true);
  }

  /** Overlays stay on the disks until the next checkpoint, or until they are let go of. */
  async isInUse(): Promise<boolean> {
    const { overlays, making } = await this.notes.read();
    return overlays.length + making.length > 0;
  }

  async #put(
    machine: OverlayMachine,
    overlays: readonly Overlay[],
    { signal }: CheckpointRequest,
  ): Promise<Standstill<void>> {
    const { scripts, quiesce = true } = this.#options;
    const paths = overlays.map(({ path }) => path);
    await this.notes.update(({ making }) => ({ making: [...making, ...paths] }));
    await makeOverlayFiles(overlays, await machine.owner());
    await machine.prepare(overlays);
    const options = { ...this.#standstillOptions(signal, quiesce), ...(scripts === undefined ? {} : { scripts }) };
    const done = await standstill(machine.control, options, async (late) => {
      await machine.cover(overlays);
      if (late.aborted) throw new UmbraError('TRACKER_FAILED', 'the machine went on before the checkpoint was made');
    });
    await this.notes.update(({ making, overlays: before }) => ({
      making: making.filter((path) => !paths.includes(path)),
      overlays: [...before, ...paths],
    }));
    // A guest that was neither stopped nor frozen ran on all the time.
    const ranOn = machine.stillControl !== undefined && done.consistency === 'crash';
    return ranOn ? { ...done, pauseMs: 0 } : done;
  }

  #standstillOptions(signal: AbortSignal, quiesce: boolean): StandstillOptions {
    const { machine, freezeMs = 10_000, actionMs = 10_000 } = this.#options;
    return {
      machine,
      quiesce,
      freezeMs,
      actionMs,
      notes: this.#standstill,
      clock: this.clock,
      log: this.log,
      signal,
    };
  }

  #mergeTools(machine: OverlayMachine): MergeTools {
    const whileStill: WhileStill = async (action) => {
      const options = this.#standstillOptions(new AbortController().signal, false);
      await standstill(machine.stillControl ?? machine.control, options, action);
    };
    return { notes: this.notes, whileStill };
  }
}
