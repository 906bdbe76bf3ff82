import { realpath } from 'node:fs/promises';
import { messageOf, UmbraError } from '../../../src/common/errors.js';
import { qemuInfo } from '../../images/qemu-info.js';
import type { FilterVolume } from './view-volume.js';

const MAX_LAYERS = 64;

/** A file that the filter is asked for. */
export interface ChainFile {
  /** The same from checkpoint to checkpoint: `vda`, and what is behind it `vda/1`, `vda/2`, … */
  readonly name: string;
  /** Below the directory of the filter: `/disk.img`. */
  readonly path: string;
}

export interface VolumeFiles {
  readonly volume: FilterVolume;
  /** The volume's own file first. */
  readonly files: readonly ChainFile[];
  /** What lies elsewhere, where the filter sees nothing. */
  readonly outside: string | undefined;
}

/**
 * The files that a volume consists of.
 * @param directory - of the filter
 * @throws {UmbraError} IMAGE_NOT_FOUND; TRACKER_UNAVAILABLE when the image is not in the directory; IMAGE_FORMAT
 */
export async function filesOf(volume: FilterVolume, directory: string): Promise<VolumeFiles> {
  const top = await resolved(volume.path);
  const path = below(directory, top);
  if (path === undefined) {
    throw new UmbraError('TRACKER_UNAVAILABLE', `${volume.path} is not in ${directory}, the directory of the filter`, {
      hint: 'Use another tracker, or a filter over its directory.',
    });
  }
  const files: ChainFile[] = [{ name: volume.name, path }];
  let layer = { path: top, format: volume.format };
  while (layer.format !== 'raw') {
    const { backing, parts } = await qemuInfo(layer.path, layer.format);
    if (parts.length > 0) return { volume, files, outside: `${layer.path} has its data in other files` };
    if (backing === undefined) break;
    const behind = await resolved(backing.path);
    const inside = below(directory, behind);
    if (inside === undefined) return { volume, files, outside: `${behind} is not in the directory of the filter` };
    if (files.length >= MAX_LAYERS) throw new UmbraError('IMAGE_FORMAT', `${top} has over ${MAX_LAYERS} backing files`);
    files.push({ name: `${volume.name}/${files.length}`, path: inside });
    // What else it could be is refused when the image is opened.
    layer = { path: behind, format: backing.format === 'qcow2' ? 'qcow2' : 'raw' };
  }
  return { volume, files, outside: undefined };
}

async function resolved(path: string): Promise<string> {
  return await realpath(path).catch((cause: unknown) => {
    throw new UmbraError('IMAGE_NOT_FOUND', `${path} cannot be found: ${messageOf(cause)}`, { cause });
  });
}

function below(directory: string, path: string): string | undefined {
  const top = directory === '/' ? '' : directory;
  return path.startsWith(`${top}/`) ? path.slice(top.length) : undefined;
}
