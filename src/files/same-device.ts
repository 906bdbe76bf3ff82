import type { GuestFiles } from './guest-files.js';
import { sameLocations } from './same-extents.js';
import type { VolumeChanges } from './volume-changes.js';

/** So much of a device is looked at at once: a striped one has a place for each of its stripes. */
const STEP_BYTES = 64 * 1024 * 1024;

interface DeviceSides {
  readonly from: GuestFiles;
  readonly to: GuestFiles;
  /** From one to the other. */
  readonly changes: VolumeChanges;
  readonly signal: AbortSignal;
}

/**
 * True if a device certainly holds in `to` what it held in `from`: all its bytes stand where they stood, and nothing
 * changed there. No file system is opened but btrfs', which may lie on any of the devices.
 * @throws {UmbraError} STORE_DAMAGED, CANCELLED
 */
export async function sameDevice(name: string, sides: DeviceSides): Promise<boolean> {
  if (!sameBytes(name, sides)) return false;
  const names = new Set([...sides.from.names, ...sides.to.names]);
  if (names.size === 1) return true;
  const guest = await sides.to.guest(name);
  return guest?.filesystem?.type !== 'btrfs' || [...names].every((other) => sameBytes(other, sides));
}

function sameBytes(name: string, { from, to, changes, signal }: DeviceSides): boolean {
  const [before, after] = [from.source(name), to.source(name)];
  if (before === undefined || before.sizeBytes !== after?.sizeBytes) return false;
  for (let at = 0; at < before.sizeBytes; at += STEP_BYTES) {
    signal.throwIfAborted();
    const length = Math.min(STEP_BYTES, before.sizeBytes - at);
    const locations = after.locate(at, length);
    if (!sameLocations(before.locate(at, length), locations)) return false;
    if (locations.some((location) => changes.touches(location))) return false;
  }
  return true;
}
