import { basename, dirname, join } from 'node:path';

/**
 * Overlays of ours are called `umbra-CHECKPOINT-VOLUME.qcow2` and lie beside what they are put on; whoever looks at the chain
 * sees by that whose they are.
 */
const OVERLAY = /^umbra-[a-z0-9]{1,32}-.+\.qcow2$/;

/** @param image - absolute: what the overlay is put on */
export function overlayPath(image: string, checkpoint: string, volume: string): string {
  return join(dirname(image), `umbra-${checkpoint}-${volume}.qcow2`);
}

/** The name of the overlay that a node of QEMU's is of; QEMU may describe it by JSON. */
export function overlayIn(filename: string): string | undefined {
  return /(?:^|\/)(umbra-[a-z0-9]{1,32}-[^"/]+\.qcow2)(?:"|$)/.exec(filename)?.[1];
}

export function isOverlay(path: string): boolean {
  return OVERLAY.test(basename(path));
}
