import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { Checkpoint } from '../../agent/trackers/tracker.js';
import { contentOf } from './checkpoints.js';
import type { MachineDisk } from './qemu-machine.js';
import { qemuImg } from './qemu.js';

/** The size of the disks of these machines. */
export const DISK_BYTES = 16 * 1024 * 1024;

/** Empty images `vda`, `vdb`, … */
export function makeDisks(
  directory: string,
  formats: readonly ('raw' | 'qcow2')[] = ['qcow2', 'qcow2'],
): MachineDisk[] {
  return formats.map((format, index) => {
    const id = `vd${'abc'.charAt(index)}`;
    const file = join(directory, `${id}.${format}`);
    qemuImg('create', '-q', '-f', format, file, String(DISK_BYTES));
    return { file, format, id };
  });
}

/** What a machine at rest may have of ours: the bitmaps of one checkpoint. */
export function atRest(disks: readonly MachineDisk[], checkpoint?: string): string[] {
  const bitmaps =
    checkpoint === undefined ? [] : disks.map(({ id }) => `bitmap umbra-${checkpoint}-${DISK_BYTES}-${id}`);
  return [...bitmaps, ...disks.map(({ id }) => `node disk-${id}`)].sort();
}

/** What is in the agent's directories, and what there is of an NBD server. */
export function leftIn(directory: string): string[] {
  const left = ['state', 'scratch'].flatMap((name) => readdirSync(join(directory, name)));
  return [...left, ...readdirSync(directory).filter((name) => name.startsWith('umbra-'))];
}

/** All of all volumes, side by side. */
export async function contentsOf(checkpoint: Checkpoint): Promise<Buffer[]> {
  return await Promise.all(checkpoint.volumes.map((volume) => contentOf(volume)));
}

/** Both disks are of one instant if their counters are the same or the second is one behind. */
export function checkLockstep(t: Test, [first, second]: readonly Buffer[]): void {
  const [a = 0, b = 0] = [first?.readUInt32LE(0), second?.readUInt32LE(0)];
  t.ok(a > 0 && (a === b || a === b + 1), `counters ${a} and ${b}`);
}
