import { join } from 'node:path';
import { systemClock } from '../../../src/common/clock.js';
import { isUmbraError, UmbraError } from '../../../src/common/errors.js';
import type { DiscoveredVolume } from '../../../src/protocol/agents-api.js';
import { qemuInfo } from '../../images/qemu-info.js';
import { runQemuImg } from '../../images/qemu-program.js';
import { QmpClient } from '../../qemu/qmp.js';
import { Aliases } from '../qemu-bitmap-libvirt/aliases.js';
import type { Checkpoint, CheckpointRequest, Tracker } from '../tracker.js';
import { isOurs } from './names.js';
import { openOfflineVolume, type OfflineVolume } from './offline-volume.js';
import { QemuBitmapTracker, type QemuBitmapOptions } from './qemu-bitmap-tracker.js';

export interface OnOrOffOptions extends QemuBitmapOptions {
  /** What was last seen of its disks. */
  readonly volumes: readonly DiscoveredVolume[];
}

/**
 * Changes from QEMU's dirty bitmaps, also while its QEMU does not run: then they lie in the images. Nothing is recorded then, as
 * nothing is written: the bitmaps of the last checkpoint go on at the next start, and that one stands for those made meanwhile.
 */
export class OnOrOffTracker implements Tracker {
  readonly kind = 'qemu-bitmap';
  readonly #options: OnOrOffOptions;
  readonly #running: QemuBitmapTracker;
  readonly #aliases: Aliases;

  constructor(options: OnOrOffOptions) {
    this.#options = options;
    this.#running = new QemuBitmapTracker(options);
    this.#aliases = new Aliases(join(options.stateDirectory, 'aliases.json'));
  }

  async checkpoint(request: CheckpointRequest): Promise<Checkpoint> {
    const since = request.since === undefined ? undefined : await this.#aliases.resolve(request.since);
    if (await this.#isOff()) return await this.#offline(request, since);
    const made = await this.#running.checkpoint({ ...request, since });
    const acknowledge = async (): Promise<void> => {
      await made.acknowledge();
      await this.#aliases.clear();
    };
    return { ...made, acknowledge };
  }

  async recover(): Promise<void> {
    // What was left in a QEMU is gone with it.
    if (!(await this.#isOff())) await this.#running.recover();
  }

  async forget(): Promise<void> {
    if (await this.#isOff()) await this.#forgetOffline();
    else await this.#running.forget();
    await this.#aliases.clear();
  }

  async #isOff(): Promise<boolean> {
    const { qmpSocket: socketPath, clock = systemClock } = this.#options;
    try {
      (await QmpClient.open({ socketPath, clock })).close();
      return false;
    } catch (error) {
      if (isUmbraError(error, 'TRACKER_UNAVAILABLE')) return true;
      throw error;
    }
  }

  async #offline({ id, volumes: wanted, signal }: CheckpointRequest, since: string | undefined): Promise<Checkpoint> {
    const { volumes, clock = systemClock, records = true } = this.#options;
    const chosen = volumes.filter(({ name }) => wanted?.includes(name) !== false);
    const missing = (wanted ?? []).filter((name) => !volumes.some((volume) => volume.name === name));
    const remarks = missing.map((name) => `the machine has no volume ${name}`);
    if (chosen.length === 0) {
      const why = remarks.length === 0 ? '' : `: ${remarks.join('; ')}`;
      throw new UmbraError('TRACKER_UNAVAILABLE', `the machine is off, and no disk of it is known${why}`);
    }
    const opened: OfflineVolume[] = [];
    try {
      for (const volume of chosen) {
        if (signal.aborted) throw new UmbraError('CANCELLED', 'the checkpoint was cancelled');
        opened.push(await openOfflineVolume(volume, since, clock));
      }
      if (since !== undefined && records) await this.#aliases.add(id, since);
    } catch (error) {
      await closeAll(opened);
      throw error;
    }
    let closing: Promise<void> | undefined;
    return {
      id,
      timeMs: clock.now(),
      consistency: opened.every(({ image }) => image.consistency === 'offline') ? 'offline' : 'crash',
      pauseMs: 0,
      notes: [...remarks, ...opened.flatMap(({ remark }) => remark ?? []), 'the machine is off: its images are read'],
      volumes: opened.map(({ volume }) => volume),
      config: [],
      assertUnchanged: async () => {
        for (const { image } of opened) await image.assertUnchanged();
      },
      acknowledge: () => Promise.resolve(),
      close: () => (closing ??= closeAll(opened)),
    };
  }

  async #forgetOffline(): Promise<void> {
    for (const { path, format } of this.#options.volumes) {
      if (format !== 'qcow2') continue;
      for (const { name } of (await qemuInfo(path, format)).bitmaps.filter((bitmap) => isOurs(bitmap.name))) {
        await runQemuImg(path, ['bitmap', '--remove', '-f', 'qcow2', path, name]);
      }
    }
  }
}

async function closeAll(opened: readonly OfflineVolume[]): Promise<void> {
  await Promise.allSettled(opened.map(({ image }) => image.close()));
}
