import type { ChainDisk } from './overlay-machine.js';
import type { DiskStart } from './start-from-left.js';

/**
 * What a definition is to be changed in, so that the machine starts from what its disks are while it runs: where it names what lies right below an overlay of ours, or
 * an overlay of ours that is part of the disk no more. Other images somebody else has chosen.
 * @param defined - the disks of the definition
 * @param running - the disks as they are
 */
export function definitionStarts(
  defined: readonly { readonly name: string; readonly path: string }[],
  running: readonly ChainDisk[],
  ours: readonly string[],
): DiskStart[] {
  return running.flatMap((disk) => {
    const { volume, format, layers } = disk;
    const path = defined.find(({ name }) => name === volume)?.path;
    const [top = '', below] = layers;
    if (path === undefined || path === top) return [];
    const isBelow = path === below && ours.includes(top);
    const isMerged = ours.includes(path) && !layers.includes(path);
    if (!isBelow && !isMerged) return [];
    return [{ disk: { ...disk, layers: [path] }, image: { path: top, format } }];
  });
}
