import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { systemClock, type Clock } from '../../../src/common/clock.js';
import { messageOf, UmbraError } from '../../../src/common/errors.js';
import { silentLog, type Log } from '../../../src/common/log.js';
import { flushHostCache } from '../../checkpoints/flush-host-cache.js';
import { standstill, type Standstill } from '../../checkpoints/standstill.js';
import { undoStandstill } from '../../checkpoints/let-go.js';
import { StandstillNotes } from '../../checkpoints/standstill-note.js';
import { findDisks, type QemuDisk } from '../../qemu/disks.js';
import { QemuGuestControl } from '../../qemu/guest-control.js';
import { refuseHidden } from '../../qemu/jobs.js';
import { pidOfQemu, withSocket } from '../../qemu/process-run.js';
import { QmpClient } from '../../qemu/qmp.js';
import type { Checkpoint, CheckpointRequest, Tracker } from '../tracker.js';
import { checkCheckpointId, type ViewTrackerOptions } from '../tracker-options.js';
import { refuseIothreads, refuseMigrating, refuseOldQemu } from './abilities.js';
import { planBitmaps, removeBitmaps, type BitmapPlan } from './bitmaps.js';
import { cleanUp } from './clean-up.js';
import { describeMachine } from './describe-machine.js';
import { exportViews, insertFilters, prepareScratch, removeScratchFiles } from './fleece.js';
import { bitmapName, isOurs, READING_BITMAP, viewNames } from './names.js';
import { ownerOf, QemuNbdServer } from './nbd-server.js';
import { whyBroken, type WhyLost } from './view-loss.js';
import { openFleecedVolume, type FleecedDisk, type FleecedVolume } from './volume.js';

export interface QemuBitmapOptions extends ViewTrackerOptions {
  /** Absolute; a QMP socket that nobody else holds. */
  readonly qmpSocket: string;
  /** Absolute; the host's side of `org.qemu.guest_agent.0`. */
  readonly guestAgentSocket?: string;
  /** Names of volumes, by device id or path. */
  readonly names?: ReadonlyMap<string, string>;
  /** How long a write of the guest waits for its old content to be put aside, before the view is given up; 10 s when absent. */
  readonly copySeconds?: number;
}

const COPY_SECONDS = 10;

/** What a checkpoint works with, for as long as it is there. */
interface Session {
  readonly qmp: QmpClient;
  readonly control: QemuGuestControl;
  readonly server: QemuNbdServer;
  readonly owner: number;
}

interface ChosenDisks {
  readonly chosen: readonly QemuDisk[];
  readonly others: readonly QemuDisk[];
  /** Why volumes are not among them, for people. */
  readonly remarks: readonly string[];
}

/** Changes from QEMU's dirty bitmaps, over QMP alone. The machine's QEMU must run, 7.1 or newer. */
export class QemuBitmapTracker implements Tracker {
  readonly kind = 'qemu-bitmap';
  readonly #options: QemuBitmapOptions;
  readonly #notes: StandstillNotes;
  readonly #clock: Clock;
  readonly #log: Log;

  constructor(options: QemuBitmapOptions) {
    this.#options = options;
    this.#notes = new StandstillNotes(join(options.stateDirectory, 'standstill.json'));
    this.#clock = options.clock ?? systemClock;
    this.#log = options.log ?? silentLog;
  }

  async checkpoint(request: CheckpointRequest): Promise<Checkpoint> {
    const { id, since } = request;
    checkCheckpointId(request);
    const session = await this.#open();
    const volumes: FleecedVolume[] = [];
    let plans: readonly BitmapPlan[] = [];
    try {
      const { chosen, others, remarks } = await this.#disksOf(session, request);
      plans = chosen.map((disk) => planBitmaps(disk, since));
      for (const { disk, stale } of plans) await removeBitmaps(session.qmp, disk.node, stale);
      for (const disk of others) await removeBitmaps(session.qmp, disk.node, ourBitmaps(disk));
      const done = await this.#makeView(session, plans, request);
      session.control.releaseAgent();
      const socketPath = await session.server.start(session.qmp);
      await exportViews(session.qmp, plans);
      for (const [index, plan] of plans.entries()) {
        volumes.push(await openFleecedVolume(fleecedDisk(plan), socketPath, viewNames.view(index), this.#whyLost));
      }
      const config = await describeMachine(
        session.qmp,
        plans.map(({ disk }) => disk),
      );
      const notes = [...remarks, ...plans.flatMap(({ remark }) => remark ?? []), ...done.remarks];
      return this.#finished(session, plans, volumes, { ...done, notes, config, id });
    } catch (error) {
      await this.#close(session, volumes, plans, id);
      throw error;
    }
  }

  async recover(): Promise<void> {
    const { control, qmp } = await this.#open();
    control.releaseAgent();
    qmp.close();
  }

  async forget(): Promise<void> {
    const session = await this.#open();
    try {
      const { disks } = await findDisks(session.qmp, this.#options.names);
      for (const disk of disks) await removeBitmaps(session.qmp, disk.node, ourBitmaps(disk));
    } finally {
      session.control.releaseAgent();
      session.qmp.close();
    }
  }

  /** Connect, let the machine go on if that is not so, and take away what is left of an earlier checkpoint. */
  async #open(): Promise<Session> {
    const { qmpSocket, guestAgentSocket, stateDirectory, scratchDirectory, machine } = this.#options;
    const clock = this.#clock;
    const qmp = await QmpClient.open({ socketPath: qmpSocket, clock });
    const control = new QemuGuestControl({
      qmp,
      qmpSocket,
      clock,
      ...(guestAgentSocket === undefined ? {} : { guestAgentSocket }),
    });
    try {
      await undoStandstill(control, { machine, notes: this.#notes, clock, log: this.#log });
      const owner = await ownerOf(qmpSocket);
      const runtimeDirectory = this.#options.runtimeDirectory ?? tmpdir();
      const notePath = join(stateDirectory, 'nbd.json');
      const pid = (): Promise<number | undefined> => pidOfQemu(withSocket(qmpSocket));
      const server = new QemuNbdServer({ notePath, runtimeDirectory, owner, pid });
      await cleanUp(qmp, server);
      await removeScratchFiles(scratchDirectory);
      return { qmp, control, server, owner };
    } catch (error) {
      control.releaseAgent();
      qmp.close();
      throw error;
    }
  }

  async #disksOf({ qmp }: Session, { volumes }: CheckpointRequest): Promise<ChosenDisks> {
    refuseOldQemu(qmp);
    await refuseMigrating(qmp);
    const { disks, skipped } = await findDisks(qmp, this.#options.names);
    const isWanted = (volume: string): boolean => volumes === undefined || volumes.includes(volume);
    refuseHidden(skipped.filter(({ name }) => isWanted(name)));
    const chosen = disks.filter(({ volume }) => isWanted(volume));
    const remarks = skipped.filter((one) => isWanted(one.name)).map((one) => `${one.name} is left out: ${one.reason}`);
    const known = new Set([...disks.map(({ volume }) => volume), ...skipped.map((one) => one.name)]);
    for (const volume of volumes ?? []) if (!known.has(volume)) remarks.push(`the machine has no volume ${volume}`);
    const others = disks.filter(({ volume }) => !isWanted(volume));
    if (chosen.length === 0) {
      throw new UmbraError(
        'TRACKER_UNAVAILABLE',
        `the machine has no disk that QEMU can give a view of${list(remarks)}`,
      );
    }
    await refuseIothreads(qmp, chosen);
    return { chosen, others, remarks };
  }

  async #makeView(
    session: Session,
    plans: readonly BitmapPlan[],
    request: CheckpointRequest,
  ): Promise<Standstill<void>> {
    const { machine, scratchDirectory, scripts, records = true } = this.#options;
    const { quiesce = true, freezeMs = 10_000, actionMs = 10_000, copySeconds = COPY_SECONDS } = this.#options;
    await prepareScratch(session.qmp, plans, scratchDirectory, session.owner);
    await flushHostCache(plans.map(({ disk }) => disk.path));
    const options = {
      machine,
      quiesce,
      freezeMs,
      actionMs,
      notes: this.#notes,
      clock: this.#clock,
      log: this.#log,
      signal: request.signal,
      ...(scripts === undefined ? {} : { scripts }),
    };
    return await standstill(session.control, options, (signal) =>
      insertFilters(session.qmp, plans, records ? request.id : undefined, copySeconds, signal),
    );
  }

  readonly #whyLost: WhyLost = async (how) => {
    const { scratchDirectory, copySeconds = COPY_SECONDS } = this.#options;
    return how === 'broken' ? await whyBroken(scratchDirectory, copySeconds) : undefined;
  };

  #finished(
    session: Session,
    plans: readonly BitmapPlan[],
    volumes: readonly FleecedVolume[],
    made: Pick<Checkpoint, 'id' | 'timeMs' | 'consistency' | 'pauseMs' | 'notes' | 'config'>,
  ): Checkpoint {
    let closing: Promise<void> | undefined;
    const { id, timeMs, consistency, pauseMs, notes, config } = made;
    return {
      id,
      timeMs,
      consistency,
      pauseMs,
      notes,
      config,
      volumes,
      acknowledge: async () => {
        for (const { disk, since } of plans) {
          if (since !== undefined) await removeBitmaps(session.qmp, disk.node, [since]);
        }
      },
      close: () => (closing ??= this.#close(session, volumes, [], id)),
    };
  }

  /** @param failed - the disks whose new bitmap is of no use, since there is no checkpoint */
  async #close(
    { qmp, server, control }: Session,
    volumes: readonly FleecedVolume[],
    failed: readonly BitmapPlan[],
    id: string,
  ): Promise<void> {
    const { machine } = this.#options;
    for (const volume of volumes) await volume.close();
    try {
      await cleanUp(qmp, server);
      for (const { disk } of failed) {
        const name = bitmapName(id, disk.volume, disk.sizeBytes);
        // It is not there if the machine never came to a standstill.
        await removeBitmaps(qmp, disk.node, [name]).catch(() => undefined);
      }
    } catch (error) {
      this.#log.warn('not everything of a checkpoint could be removed', { machine, reason: messageOf(error) });
    }
    control.releaseAgent();
    qmp.close();
  }
}

function fleecedDisk({ disk: { volume, path, format, sizeBytes }, since }: BitmapPlan): FleecedDisk {
  return { name: volume, path, format, sizeBytes, bitmap: since === undefined ? undefined : READING_BITMAP };
}

function ourBitmaps({ bitmaps }: QemuDisk): string[] {
  return bitmaps.map(({ name }) => name).filter(isOurs);
}

function list(remarks: readonly string[]): string {
  return remarks.length === 0 ? '' : `: ${remarks.join('; ')}`;
}
