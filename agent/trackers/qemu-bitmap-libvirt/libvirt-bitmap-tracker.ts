import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock, type Clock } from '../../../src/common/clock.js';
import { messageOf } from '../../../src/common/errors.js';
import { silentLog, type Log } from '../../../src/common/log.js';
import { undoStandstill } from '../../checkpoints/let-go.js';
import type { Standstill } from '../../checkpoints/standstill.js';
import { StandstillNotes } from '../../checkpoints/standstill-note.js';
import { libvirtConfig } from '../../discovery/libvirt.js';
import type { LibvirtAddress } from '../../libvirt/address.js';
import { refuseBlockJobs } from '../../libvirt/block-jobs.js';
import { asTrackerError, LibvirtGuestControl } from '../../libvirt/guest-control.js';
import type { Domain } from '../../libvirt/domain.js';
import { Libvirt } from '../../libvirt/libvirt.js';
import { machineState } from '../../libvirt/machine-state.js';
import { noRoomFor, type ViewLoss } from '../qemu-bitmap/view-loss.js';
import { openFleecedVolume, type FleecedVolume } from '../qemu-bitmap/volume.js';
import type { Checkpoint, CheckpointRequest, Tracker } from '../tracker.js';
import { checkCheckpointId, type ViewTrackerOptions } from '../tracker-options.js';
import { Aliases } from './aliases.js';
import { endBackup, giveUpBackup, refuseLostJob, resumeStopped } from './backup-job.js';
import { deleteCheckpoint, deleteOthers, saysCheckpointLost } from './checkpoints.js';
import { forgetOffline, offlineCheckpoint } from './offline.js';
import { refuseDomainThreads } from './iothreads.js';
import { beginBackup, type BegunBackup } from './live-checkpoint.js';
import { removeLeft } from './lost-scratch.js';
import { removeLostBitmaps, tryRemoveLostBitmaps, type Surroundings } from './lost-bitmaps.js';
import { MadeCheckpoints } from './made-checkpoints.js';
import { watchRoom } from './scratch-room.js';
import { checkpointName, READING_BITMAP } from './names.js';
import { domainNow, planBackup, refuseOtherImages, type BackupPlan, type DomainNow } from './plan.js';
import { makeScratchFiles, makeWorkDirectories, type WorkDirectories, type WorkPlaces } from './work-directory.js';

export interface LibvirtBitmapOptions extends ViewTrackerOptions {
  readonly address: LibvirtAddress;
  /** The domain's UUID. */
  readonly uuid: string;
}

interface Session {
  readonly libvirt: Libvirt;
  readonly domain: Domain;
}

/** What a checkpoint of a running domain has made so far. */
interface Made extends BegunBackup {
  directories: WorkDirectories | undefined;
  readonly volumes: FleecedVolume[];
  givenUpFor?: ViewLoss;
  stopWatching: () => void;
}

/** Changes from QEMU's dirty bitmaps, through libvirt's backup jobs and checkpoints. */
export class LibvirtBitmapTracker implements Tracker {
  readonly kind = 'qemu-bitmap';
  readonly #options: LibvirtBitmapOptions;
  readonly #places: WorkPlaces;
  readonly #notes: StandstillNotes;
  readonly #aliases: Aliases;
  readonly #made: MadeCheckpoints;
  readonly #lost: Surroundings;
  readonly #clock: Clock;
  readonly #log: Log;

  constructor(options: LibvirtBitmapOptions) {
    this.#options = options;
    const { uuid, stateDirectory, scratchDirectory, runtimeDirectory = tmpdir() } = options;
    this.#places = { uuid, scratchDirectory, runtimeDirectory };
    this.#notes = new StandstillNotes(join(stateDirectory, 'standstill.json'));
    this.#aliases = new Aliases(join(stateDirectory, 'aliases.json'));
    this.#made = new MadeCheckpoints(join(stateDirectory, 'checkpoints.json'));
    this.#clock = options.clock ?? systemClock;
    this.#log = options.log ?? silentLog;
    this.#lost = { machine: options.machine, made: this.#made, log: this.#log };
  }

  async checkpoint(request: CheckpointRequest): Promise<Checkpoint> {
    const { id, since } = request;
    checkCheckpointId(request);
    return await this.#withErrors(async () => {
      const session = await this.#open();
      try {
        const now = await domainNow(session.libvirt, session.domain, request.volumes);
        const recorded = since === undefined ? undefined : await this.#aliases.resolve(since);
        const isOff = machineState(await session.libvirt.state(session.domain)) === 'off';
        if (!isOff) {
          const wanted = now.disks.map(({ name }) => name);
          await refuseDomainThreads(session.libvirt, session.domain, wanted);
          await refuseLostJob(session.libvirt, session.domain);
          await refuseBlockJobs(session.libvirt, session.domain, wanted);
          return await this.#live(session, now, request, recorded);
        }
        await tryRemoveLostBitmaps(session.libvirt, session.domain, this.#lost);
        if (recorded !== undefined) await this.#aliases.add(id, recorded);
        const config = await libvirtConfig(session.libvirt, session.domain);
        const end = (): Promise<void> => session.libvirt.close();
        return await offlineCheckpoint(id, now, config, this.#clock, end);
      } catch (error) {
        await session.libvirt.close();
        throw error;
      }
    });
  }

  async recover(): Promise<void> {
    await this.#withSession(async (session) => {
      await resumeStopped(session.libvirt, session.domain);
      await tryRemoveLostBitmaps(session.libvirt, session.domain, this.#lost);
    });
  }

  async forget(): Promise<void> {
    await this.#withSession(async (session) => {
      const { libvirt, domain } = session;
      const isOff = machineState(await libvirt.state(domain)) === 'off';
      if (isOff) await forgetOffline(libvirt, domain, this.#made);
      else {
        await deleteOthers(libvirt, domain, undefined, this.#made);
        await removeLostBitmaps(libvirt, domain, this.#lost);
      }
      await this.#aliases.clear();
    });
  }

  async #withSession(work: (session: Session) => Promise<void>): Promise<void> {
    await this.#withErrors(async () => {
      const session = await this.#open();
      try {
        await work(session);
      } finally {
        await session.libvirt.close();
      }
    });
  }

  /** Connect, let the machine go on if that is not so, and take away what is left of an earlier checkpoint. */
  async #open(): Promise<Session> {
    const { address, uuid, machine, scratchDirectory } = this.#options;
    const libvirt = await Libvirt.open(address, this.#clock);
    try {
      const domain = await libvirt.domainByUuid(uuid);
      const control = new LibvirtGuestControl(libvirt, domain);
      await undoStandstill(control, { machine, notes: this.#notes, clock: this.#clock, log: this.#log });
      await endBackup(libvirt, domain, scratchDirectory, this.#clock);
      await removeLeft(libvirt, domain, this.#places, this.#lost);
      return { libvirt, domain };
    } catch (error) {
      await libvirt.close();
      throw error;
    }
  }

  /** @param recorded - the id of libvirt's checkpoint for the request's `since` */
  async #live(
    session: Session,
    now: DomainNow,
    request: CheckpointRequest,
    recorded: string | undefined,
  ): Promise<Checkpoint> {
    const { libvirt, domain } = session;
    const made: Made = {
      answered: undefined,
      directories: undefined,
      checkpoint: undefined,
      volumes: [],
      stopWatching: () => undefined,
    };
    try {
      const name = checkpointName(request.id);
      await deleteOthers(libvirt, domain, recorded === undefined ? undefined : checkpointName(recorded), this.#made);
      await tryRemoveLostBitmaps(session.libvirt, session.domain, this.#lost);
      made.directories = await makeWorkDirectories(this.#places, now.owner);
      let plan = await planBackup(libvirt, domain, now, recorded, made.directories.scratch);
      const begin = async (): Promise<Standstill<void>> => {
        await makeScratchFiles(plan.disks, now.owner);
        return await this.#begin(session, { ...plan, name }, request, made);
      };
      let lost: string | undefined;
      const done = await begin().catch(async (error: unknown) => {
        if (plan.since === undefined || !saysCheckpointLost(error)) throw error;
        lost = messageOf(error);
        await deleteCheckpoint(libvirt, domain, plan.since, this.#made);
        // A QEMU that died and was started again has lost the new one's bitmaps, too.
        if (made.checkpoint !== undefined) await deleteCheckpoint(libvirt, domain, made.checkpoint, this.#made);
        made.checkpoint = undefined;
        plan = { ...plan, since: undefined, disks: plan.disks.map((disk) => ({ ...disk, incremental: false })) };
        return await begin();
      });
      made.stopWatching = this.#watch(session, made);
      await refuseOtherImages(libvirt, domain, plan);
      await this.#openVolumes(plan, now, made);
      const config = await libvirtConfig(libvirt, domain);
      const notes = [...now.remarks, ...plan.remarks, ...(lost === undefined ? [] : [lost]), ...done.remarks];
      return this.#finished(session, request.id, made, { ...done, notes, config });
    } catch (error) {
      await this.#close(session, made, true);
      throw error;
    }
  }

  /** A full scratch disk would stop the guest: the backup is given up before. */
  #watch({ libvirt, domain }: Session, made: Made): () => void {
    const { machine, scratchDirectory } = this.#options;
    return watchRoom(scratchDirectory, this.#clock, async () => {
      this.#log.warn('the scratch disk is nearly full: the backup is given up', { machine, scratchDirectory });
      made.givenUpFor = noRoomFor(scratchDirectory);
      await giveUpBackup(libvirt, domain, scratchDirectory, this.#clock);
    });
  }

  async #begin(
    { libvirt, domain }: Session,
    plan: BackupPlan & { readonly name: string },
    request: CheckpointRequest,
    made: Made,
  ): Promise<Standstill<void>> {
    const { machine, quiesce = true, freezeMs = 10_000, actionMs = 10_000, scripts, records = true } = this.#options;
    const settings = {
      machine,
      quiesce,
      freezeMs,
      actionMs,
      notes: this.#notes,
      clock: this.#clock,
      log: this.#log,
      signal: request.signal,
      made: this.#made,
      ...(scripts !== undefined && { scripts }),
    };
    const socketPath = made.directories?.socketPath ?? '';
    return await beginBackup(libvirt, domain, { ...plan, socketPath, records }, settings, made);
  }

  async #openVolumes(plan: BackupPlan, now: DomainNow, made: Made): Promise<void> {
    for (const { name, path, sizeBytes, incremental } of plan.disks) {
      const format = now.disks.find((disk) => disk.name === name)?.format ?? 'raw';
      const disk = { name, path, format, sizeBytes, bitmap: incremental ? READING_BITMAP : undefined };
      const socketPath = made.directories?.socketPath ?? '';
      made.volumes.push(await openFleecedVolume(disk, socketPath, name, () => Promise.resolve(made.givenUpFor)));
    }
  }

  #finished(
    session: Session,
    id: string,
    made: Made,
    done: Pick<Checkpoint, 'timeMs' | 'consistency' | 'pauseMs' | 'notes' | 'config'>,
  ): Checkpoint {
    const { timeMs, consistency, pauseMs, notes, config } = done;
    let closing: Promise<void> | undefined;
    return {
      id,
      timeMs,
      consistency,
      pauseMs,
      notes,
      config,
      volumes: made.volumes,
      acknowledge: () =>
        this.#withErrors(async () => {
          await deleteOthers(session.libvirt, session.domain, checkpointName(id), this.#made);
          await this.#aliases.clear();
        }),
      close: () => (closing ??= this.#close(session, made, false)),
    };
  }

  /** Never rejects. @param failed - libvirt's checkpoint is of no use, since there is none of ours */
  async #close({ libvirt, domain }: Session, made: Made, failed: boolean): Promise<void> {
    const { machine, scratchDirectory } = this.#options;
    made.stopWatching();
    try {
      for (const volume of made.volumes) await volume.close();
      // A job that libvirt is still about to begin can't be ended.
      await made.answered;
      await endBackup(libvirt, domain, scratchDirectory, this.#clock);
      if (made.answered !== undefined) await resumeStopped(libvirt, domain);
      if (failed && made.checkpoint !== undefined) await deleteCheckpoint(libvirt, domain, made.checkpoint, this.#made);
      await made.directories?.remove();
    } catch (error) {
      this.#log.warn('not everything of a checkpoint could be removed', { machine, reason: messageOf(error) });
    }
    await libvirt.close();
  }

  async #withErrors<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw asTrackerError(error);
    }
  }
}
