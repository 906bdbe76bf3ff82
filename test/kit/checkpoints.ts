import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { QemuBitmapTracker, type QemuBitmapOptions } from '../../agent/trackers/qemu-bitmap/qemu-bitmap-tracker.js';
import type { Checkpoint, CheckpointVolume } from '../../agent/trackers/tracker.js';

/** A tracker with directories of its own in `directory`. */
export function bitmapTracker(
  directory: string,
  qmpSocket: string,
  more: Partial<QemuBitmapOptions> = {},
): QemuBitmapTracker {
  const [stateDirectory = '', scratchDirectory = ''] = ['state', 'scratch'].map((name) => join(directory, name));
  for (const made of [stateDirectory, scratchDirectory]) mkdirSync(made, { recursive: true });
  const options = { machine: 'm', qmpSocket, stateDirectory, scratchDirectory, runtimeDirectory: directory };
  return new QemuBitmapTracker({ ...options, ...more });
}

/** A request for a checkpoint that nobody cancels. */
export function request(id: string, since?: string): { id: string; since: string | undefined; signal: AbortSignal } {
  return { id, since, signal: new AbortController().signal };
}

/** The volume of that name. */
export function volumeOf(checkpoint: Checkpoint, name: string): CheckpointVolume {
  const found = checkpoint.volumes.find((volume) => volume.name === name);
  if (found === undefined) throw new Error(`no volume ${name}`);
  return found;
}

/** All of a volume, by its data extents. */
export async function contentOf(volume: CheckpointVolume): Promise<Buffer> {
  const content = Buffer.alloc(volume.sizeBytes);
  for await (const { offset, length } of volume.extents())
    await volume.read(content.subarray(offset, offset + length), offset);
  return content;
}

/** What `content`, of the checkpoint before, becomes by the volume's changes; and how many bytes they are. */
export async function applyChanges(
  volume: CheckpointVolume,
  content: Buffer,
): Promise<{ content: Buffer; bytes: number }> {
  const changed = Buffer.from(content);
  let bytes = 0;
  let end = 0;
  for await (const { offset, length, isZero } of volume.changes()) {
    if (offset < end || length <= 0) throw new Error('changes out of order');
    end = offset + length;
    bytes += length;
    if (isZero === true) changed.fill(0, offset, end);
    else await volume.read(changed.subarray(offset, end), offset);
  }
  return { content: changed, bytes };
}
