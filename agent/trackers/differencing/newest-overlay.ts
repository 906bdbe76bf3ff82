import { dirname } from 'node:path';
import { UmbraError } from '../../../src/common/errors.js';
import type { DiscoveredVolume } from '../../../src/protocol/agents-api.js';
import type { ImageFormat } from '../../../src/protocol/api.js';
import { backingChain } from '../../discovery/backing-chain.js';
import { imageFormat } from '../../discovery/formats.js';
import { qemuInfo } from '../../images/qemu-info.js';
import { qcow2Beside } from './beside.js';
import { isOverlay } from './names.js';

/** An image of a machine's, and what it is taken for. */
export interface StartImage {
  readonly path: string;
  readonly format: ImageFormat;
}

/**
 * What the overlays of ours lie on that a disk begins with; the disk's own top where it begins with none.
 * @throws {UmbraError} IMAGE_FORMAT, PROGRAM_MISSING
 */
export async function ownImage({ path, format, backing }: Omit<DiscoveredVolume, 'name'>): Promise<StartImage> {
  const layers = [path, ...backing];
  const at = layers.findIndex((layer) => !isOverlay(layer));
  if (at <= 0) return { path, format };
  const [lowest = '', own = ''] = layers.slice(at - 1);
  return { path: own, format: (await imageBehind(lowest)).format };
}

/** What lies behind an overlay. @throws {UmbraError} IMAGE_FORMAT */
export async function imageBehind(overlay: string): Promise<StartImage> {
  const { backing } = await qemuInfo(overlay, 'qcow2');
  const format = imageFormat(backing?.format ?? '');
  if (backing !== undefined && format !== undefined) return { path: backing.path, format };
  throw new UmbraError('IMAGE_FORMAT', `${overlay} does not say what it lies on`);
}

/**
 * A volume of a machine that is off, as it will start: from the newest overlay of ours, which no other lies on.
 * @param seen - as it was when the machine was seen last
 * @param own - see {@link ownImage}, of that time
 * @throws {UmbraError} TRACKER_UNAVAILABLE if more than one may be meant
 */
export async function newestOf(seen: DiscoveredVolume, own: StartImage): Promise<DiscoveredVolume> {
  const tops = topsAbove(own.path, await qcow2Beside(dirname(own.path)));
  const path = tops.includes(seen.path) ? seen.path : tops[0];
  if (path === undefined || (tops.length > 1 && path !== seen.path)) throw severalOn(own.path, tops);
  const format = path === own.path ? own.format : 'qcow2';
  return { ...seen, path, format, backing: await backingChain(path, format) };
}

function topsAbove(path: string, beside: ReadonlyMap<string, readonly string[]>): readonly string[] {
  const above = (beside.get(path) ?? []).filter((file) => isOverlay(file));
  return above.length === 0 ? [path] : above.flatMap((file) => topsAbove(file, beside));
}

function severalOn(image: string, tops: readonly string[]): UmbraError {
  return new UmbraError('TRACKER_UNAVAILABLE', `the machine is off, and may start from ${tops.join(' or ')}`, {
    hint: `Start it from the right one, and move those away that lie on ${image} and hold nothing that is missed.`,
  });
}
