import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Test } from 'tap';
import { list, record, text } from '../../agent/json-values.js';
import { findDisks } from '../../agent/qemu/disks.js';
import type { QmpClient } from '../../agent/qemu/qmp.js';
import { systemClock } from '../../src/common/clock.js';
import type { DifferencingOptions } from '../../agent/trackers/differencing/covering.js';
import { DifferencingTracker } from '../../agent/trackers/differencing/differencing-tracker.js';
import { LibvirtOverlayMachine } from '../../agent/trackers/differencing/libvirt-machine.js';
import { QmpMachine } from '../../agent/trackers/differencing/qmp-machine.js';
import type { Checkpoint } from '../../agent/trackers/tracker.js';
import { applyChanges, contentOf, request } from './checkpoints.js';
import type { PrivateLibvirt } from './libvirt.js';
import { LibvirtMachine } from './libvirt-machine.js';
import { qemuImg } from './qemu.js';

/** A tracker with a state of its own in `directory`, over QMP. */
export function overlayTracker(
  directory: string,
  qmpSocket: string,
  more: Partial<DifferencingOptions> & { readonly guestAgentSocket?: string } = {},
): DifferencingTracker {
  const { guestAgentSocket, ...options } = more;
  const stateDirectory = join(directory, 'state');
  mkdirSync(stateDirectory, { recursive: true });
  const agent = guestAgentSocket === undefined ? {} : { guestAgentSocket };
  const open = (): Promise<QmpMachine> => QmpMachine.open({ qmpSocket, clock: systemClock, ...agent });
  return new DifferencingTracker({ machine: 'm', stateDirectory, open, ...options });
}

/** The same through libvirt. */
export function libvirtOverlayTracker(machine: LibvirtMachine): DifferencingTracker {
  const { machine: name, address, uuid, stateDirectory } = machine.trackerOptions();
  const open = (): Promise<LibvirtOverlayMachine> => LibvirtOverlayMachine.open({ address, uuid, clock: systemClock });
  return new DifferencingTracker({ machine: name, stateDirectory, open });
}

export interface BackedUp {
  readonly machine: LibvirtMachine;
  readonly tracker: DifferencingTracker;
  readonly contents: Buffer[];
}

/** A machine of libvirt that runs, with its tracker, and its contents as of the checkpoint `c1`, which the server has. */
export async function backedUp(t: Test, daemon: PrivateLibvirt, name: string): Promise<BackedUp> {
  const machine = new LibvirtMachine(daemon, name, ['raw', 'qcow2']);
  await machine.define();
  await machine.start('running');
  const tracker = libvirtOverlayTracker(machine);
  const first = await tracker.checkpoint(request('c1'));
  const { contents } = await exactContents(t, machine.directory, first);
  await kept(first);
  return { machine, tracker, contents };
}

/** The files of each disk of a running QEMU, the top first. */
export async function chainsOf(monitor: QmpClient): Promise<string[][]> {
  const { disks } = await findDisks(monitor);
  return disks.map(({ path, backing }) => [path, ...backing].map((file) => basename(file)));
}

/** Overlays in a directory. */
export function overlaysIn(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => /^umbra-.*\.qcow2$/.test(name))
    .sort();
}

/** What QEMU's own tools read of an image and all that is behind it. */
export function imageContent(path: string, format: string): Buffer {
  const truth = `${path}.truth`;
  qemuImg('convert', '-U', '-f', format, '-O', 'raw', path, truth);
  return readFileSync(truth);
}

/** What QEMU's own tools read of all that lies behind an overlay. */
export function behind(overlay: string): Buffer {
  const info = record(JSON.parse(qemuImg('info', '-U', '--output=json', overlay)));
  return imageContent(text(info['full-backing-filename']) ?? '', text(info['backing-filename-format']) ?? '');
}

/**
 * All volumes of a checkpoint, compared with what QEMU's own tools read behind its overlays; and, where changes are known, what
 * the contents of the checkpoint before become by them.
 */
export async function exactContents(
  t: Test,
  directory: string,
  checkpoint: Checkpoint,
  before: readonly Buffer[] = [],
): Promise<{ readonly contents: Buffer[]; readonly bytes: readonly number[] }> {
  const contents: Buffer[] = [];
  const bytes: number[] = [];
  for (const [index, volume] of checkpoint.volumes.entries()) {
    const content = await contentOf(volume);
    const truth = behind(join(directory, `umbra-${checkpoint.id}-${volume.name}.qcow2`));
    t.ok(content.equals(truth), `${volume.name} is exact`);
    const last = before[index];
    if (volume.changesKnown && last !== undefined) {
      const changed = await applyChanges(volume, last);
      t.ok(changed.content.equals(truth), `${volume.name} is exact by its changes`);
      bytes.push(changed.bytes);
    }
    contents.push(content);
  }
  return { contents, bytes };
}

/** Acknowledge and close. */
export async function kept(checkpoint: Checkpoint): Promise<void> {
  await checkpoint.acknowledge();
  await checkpoint.close();
  await checkpoint.close();
}

/** Block jobs of a QEMU. */
export async function jobsIn(monitor: QmpClient): Promise<unknown[]> {
  return list(await monitor.execute('query-jobs')).map((job) => record(job)['id']);
}
