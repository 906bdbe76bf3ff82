import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import type { Clock } from '../../../src/common/clock.js';
import { isUmbraError } from '../../../src/common/errors.js';
import { list, record, text } from '../../json-values.js';
import { chainNodes } from '../../qemu/chain-nodes.js';
import { findDisks, type QemuDisk } from '../../qemu/disks.js';
import { QemuGuestControl } from '../../qemu/guest-control.js';
import { refuseJobs } from '../../qemu/jobs.js';
import { runOfQemu, withSocket } from '../../qemu/process-run.js';
import { QmpClient } from '../../qemu/qmp.js';
import { refuseMigrating } from '../qemu-bitmap/abilities.js';
import { describeMachine } from '../qemu-bitmap/describe-machine.js';
import { ownerOf } from '../qemu-bitmap/nbd-server.js';
import type { Checkpoint } from '../tracker.js';
import { refuseDevices } from './chain.js';
import { beginMerge, endMerge, MERGE_JOB } from './merge-job.js';
import { notMerged } from './merging.js';
import { overlayIn } from './names.js';
import type { ChainDisk, Merge, Overlay, OverlayMachine, WhileStill } from './overlay-machine.js';

export interface QmpMachineOptions {
  /** Absolute; a QMP socket that nobody else holds. */
  readonly qmpSocket: string;
  /** Absolute; the host's side of `org.qemu.guest_agent.0`. */
  readonly guestAgentSocket?: string;
  readonly clock: Clock;
}

/** What is ours in a QEMU begins so: a node for each overlay. */
const NODE = 'umbra-overlay-';

/** A machine whose QEMU is spoken to directly. It must run. */
export class QmpMachine implements OverlayMachine {
  readonly isOff = false;
  readonly startFrom = undefined;
  readonly control: QemuGuestControl;
  readonly #qmp: QmpClient;
  readonly #qmpSocket: string;

  private constructor(qmp: QmpClient, options: QmpMachineOptions) {
    this.#qmp = qmp;
    this.#qmpSocket = options.qmpSocket;
    this.control = new QemuGuestControl({ qmp, ...options });
  }

  /** @throws {UmbraError} TRACKER_UNAVAILABLE when it does not run, TRACKER_BUSY, TRACKER_FAILED */
  static async open(options: QmpMachineOptions): Promise<QmpMachine> {
    const { qmpSocket: socketPath, clock } = options;
    return new QmpMachine(await QmpClient.open({ socketPath, clock }), options);
  }

  run(): Promise<string | undefined> {
    return runOfQemu(withSocket(this.#qmpSocket));
  }

  owner(): Promise<number> {
    return ownerOf(this.#qmpSocket);
  }

  async disks(): ReturnType<OverlayMachine['disks']> {
    const { disks, skipped } = await findDisks(this.#qmp);
    return { disks: disks.map(chainOf), skipped };
  }

  async refuse(disks: readonly ChainDisk[]): Promise<void> {
    await refuseMigrating(this.#qmp);
    refuseDevices(disks);
  }

  async prepare(overlays: readonly Overlay[]): Promise<void> {
    const caches = await this.#caches();
    for (const { disk, path } of overlays) {
      await this.#qmp.execute('blockdev-add', {
        driver: 'qcow2',
        'node-name': nodeOf(path),
        file: { driver: 'file', filename: path },
        backing: null,
        discard: 'unmap',
        cache: caches.get(disk.layers[0] ?? '') ?? {},
      });
    }
  }

  async cover(overlays: readonly Overlay[]): Promise<void> {
    const { disks } = await findDisks(this.#qmp);
    const actions = overlays.map(({ disk, path }) => {
      const node = disks.find(({ volume }) => volume === disk.volume)?.node;
      return { type: 'blockdev-snapshot', data: { node, overlay: nodeOf(path) } };
    });
    await this.#qmp.execute('transaction', { actions });
  }

  async merge({ disk, layer }: Merge, whileStill: WhileStill): Promise<void> {
    await refuseJobs(this.#qmp, MERGE_JOB);
    const { disks } = await findDisks(this.#qmp);
    const root = disks.find(({ volume }) => volume === disk.volume)?.node ?? '';
    const nodes = await chainNodes(this.#qmp, root);
    await beginMerge(this.#qmp, root, nodes[layer] ?? '', nodes[layer + 1] ?? '');
    const failure = await endMerge(this.#qmp, 'job-complete', whileStill);
    await this.#removeNodes();
    if (failure === undefined) return;
    const [path = '', onto = ''] = disk.layers.slice(layer);
    throw notMerged(disk.volume, path, onto, failure);
  }

  async tidy(_merging: string | undefined, whileStill: WhileStill): Promise<void> {
    await refuseJobs(this.#qmp, MERGE_JOB);
    // What it did not do is done again.
    await endMerge(this.#qmp, 'job-cancel', whileStill);
    await this.#removeNodes();
  }

  async config(): Promise<Checkpoint['config']> {
    const { disks } = await findDisks(this.#qmp);
    return await describeMachine(this.#qmp, disks);
  }

  close(): Promise<void> {
    this.control.releaseAgent();
    this.#qmp.close();
    return Promise.resolve();
  }

  /**
   * Take away the nodes of overlays that are no part of a disk, also one that QEMU was started with: it would open its file
   * again when what lay behind it is merged, and end when that is gone (7.2.22).
   */
  async #removeNodes(): Promise<void> {
    const { disks } = await findDisks(this.#qmp);
    const paths = disks.flatMap(({ path, backing }) => [path, ...backing]);
    const used = new Set([...paths.map(nodeOf), ...paths.map((path) => basename(path))]);
    const nodes = list(await this.#qmp.execute('query-named-block-nodes', { flat: true })).map(record);
    // What QEMU named itself goes with what it is a part of; a file goes after what is in it.
    for (const isFile of [false, true]) {
      for (const node of nodes.filter(({ drv }) => (drv === 'file') === isFile)) {
        const name = text(node['node-name']) ?? '#';
        const file = overlayIn(text(record(node['image'])['filename']) ?? '');
        const isOurs = name.startsWith(NODE) || (file !== undefined && !name.startsWith('#'));
        const isUsed = used.has(name) || (file !== undefined && used.has(file));
        if (isOurs && !isUsed) await this.#qmp.execute('blockdev-del', { 'node-name': name });
      }
    }
  }

  /** How each disk's image is cached, by its path: so shall its overlay be. */
  async #caches(): Promise<ReadonlyMap<string, Readonly<Record<string, unknown>>>> {
    const caches = new Map<string, Readonly<Record<string, unknown>>>();
    for (const device of list(await this.#qmp.execute('query-block')).map(record)) {
      const inserted = record(device['inserted']);
      const { direct, 'no-flush': noFlush } = record(inserted['cache']);
      const path = text(record(inserted['image'])['filename']);
      if (path !== undefined) caches.set(path, { direct: direct === true, 'no-flush': noFlush === true });
    }
    return caches;
  }
}

/** A machine by its QEMU; by its images as they were seen last while that does not run. @throws {UmbraError} as QmpMachine.open */
export async function openOnOrOff(options: QmpMachineOptions, off: OverlayMachine): Promise<OverlayMachine> {
  try {
    return await QmpMachine.open(options);
  } catch (error) {
    if (isUmbraError(error, 'TRACKER_UNAVAILABLE')) return off;
    throw error;
  }
}

/** The name of an overlay's node, of which QEMU takes 31 bytes; while it lies on nothing, QEMU does not tell its path. */
function nodeOf(path: string): string {
  return `${NODE}${createHash('sha256').update(path).digest('hex').slice(0, 16)}`;
}

function chainOf({ volume, path, format, sizeBytes, backing }: QemuDisk): ChainDisk {
  return { volume, format, sizeBytes, layers: [path, ...backing] };
}
