import { messageOf, UmbraError } from '../../../src/common/errors.js';
import type { Log } from '../../../src/common/log.js';
import { describeDomain, type DomainDisk } from '../../discovery/domain-xml.js';
import { qemuInfo } from '../../images/qemu-info.js';
import { runQemuImg } from '../../images/qemu-program.js';
import { list, record, text } from '../../json-values.js';
import { refuseBlockJobs } from '../../libvirt/block-jobs.js';
import type { Domain } from '../../libvirt/domain.js';
import type { Libvirt } from '../../libvirt/libvirt.js';
import { machineState } from '../../libvirt/machine-state.js';
import { LibvirtMonitor } from '../../libvirt/monitor.js';
import { parseBitmaps } from '../../qemu/disks.js';
import { refuseJobs } from './backup-job.js';
import type { MadeCheckpoints } from './made-checkpoints.js';
import { isOurBitmap } from './names.js';

type IsWanted = (bitmap: string) => boolean;

/** States of QEMU's jobs that do nothing any more. */
const ENDED_JOBS = ['concluded', 'null'];

export interface Surroundings {
  readonly machine: string;
  readonly made: MadeCheckpoints;
  readonly log: Log;
}

/** As {@link removeLostBitmaps}. Never rejects: they do no harm that would be worth a backup, and the next one does what can't be done now. */
export async function tryRemoveLostBitmaps(
  libvirt: Libvirt,
  domain: Domain,
  surroundings: Surroundings,
): Promise<void> {
  await removeLostBitmaps(libvirt, domain, surroundings).catch((error: unknown) => {
    const { machine, log } = surroundings;
    log.warn('bitmaps that nobody needs could not be removed', { machine, reason: messageOf(error) });
  });
}

/**
 * Take away the bitmaps of ours that no checkpoint of libvirt's is of. They are left where libvirt forgets a domain, is killed or has
 * no room as it makes a checkpoint, or is told to forget one: QEMU would record in them for ever.
 * @throws {UmbraError} TRACKER_BUSY while anything works on the domain; TRACKER_FAILED, after everything that could be done was
 *   done; HYPERVISOR_*; system errors
 */
export async function removeLostBitmaps(
  libvirt: Libvirt,
  domain: Domain,
  { machine, made, log }: Surroundings,
): Promise<void> {
  const known = await libvirt.checkpoints(domain);
  const isLost: IsWanted = (name) => isOurBitmap(name) && !known.includes(name);
  const disks = await disksOf(libvirt, domain);
  const isOff = machineState(await libvirt.state(domain)) === 'off';
  // Of a domain that is off, what was in QEMU's memory is in the images, or gone.
  const removed = isOff
    ? await removeFromImages(disks, isLost)
    : await removeLive(libvirt, domain, disks, isLost, made);
  await made.keepOnly(known);
  if (removed.length === 0) return;
  log.info('bitmaps that libvirt has no checkpoints of are removed', { machine, bitmaps: removed.join(' ') });
}

/**
 * Take away all bitmaps of ours from the images of a domain that is off.
 * @throws {UmbraError} TRACKER_FAILED, after everything that could be done was done; HYPERVISOR_*
 */
export async function removeOurBitmaps(libvirt: Libvirt, domain: Domain): Promise<void> {
  await removeFromImages(await disksOf(libvirt, domain), isOurBitmap);
}

async function disksOf(libvirt: Libvirt, domain: Domain): Promise<readonly DomainDisk[]> {
  return describeDomain(await libvirt.xml(domain, 'current'), `the XML of ${domain.name}`).disks;
}

/** QEMU is asked only where there may be one: libvirt marks a domain whose monitor was used past it. */
async function removeLive(
  libvirt: Libvirt,
  domain: Domain,
  disks: readonly DomainDisk[],
  isLost: IsWanted,
  made: MadeCheckpoints,
): Promise<readonly string[]> {
  // What the images kept when their last QEMU ended is in them as long as this one runs; what it has made since is in its memory alone.
  const mayBeThere = (await made.list()).some(isLost) || (await bitmapsIn(disks)).some(({ name }) => isLost(name));
  if (!mayBeThere) return [];
  await refuseJobs(libvirt, domain);
  await refuseBlockJobs(
    libvirt,
    domain,
    disks.map(({ name }) => name),
  );
  const monitor = new LibvirtMonitor(libvirt, domain);
  const jobs = list(await monitor.execute('query-jobs')).map(record);
  if (jobs.some(({ status }) => !ENDED_JOBS.includes(text(status) ?? ''))) {
    throw new UmbraError('TRACKER_BUSY', `a job of the QEMU of ${domain.name} runs`);
  }
  const nodes = list(await monitor.execute('query-named-block-nodes', { flat: true })).map(record);
  const lost = nodes.flatMap((node) => {
    const names = parseBitmaps(node['dirty-bitmaps']).map(({ name }) => name);
    return names.filter(isLost).map((name) => ({ node: node['node-name'], name }));
  });
  return await removeAll(lost, (bitmap) => monitor.execute('block-dirty-bitmap-remove', bitmap));
}

/** Each under QEMU's lock: no QEMU starts with the image meanwhile. */
async function removeFromImages(disks: readonly DomainDisk[], isWanted: IsWanted): Promise<readonly string[]> {
  const wanted = (await bitmapsIn(disks)).filter(({ name }) => isWanted(name));
  return await removeAll(wanted, ({ path, name }) =>
    runQemuImg(path, ['bitmap', '--remove', '-f', 'qcow2', path, name]),
  );
}

/** An image that can't be looked at, since it is gone for one, has none that could be taken away. */
async function bitmapsIn(
  disks: readonly DomainDisk[],
): Promise<readonly { readonly path: string; readonly name: string }[]> {
  const found: { path: string; name: string }[] = [];
  for (const { path, format } of disks) {
    if (format !== 'qcow2') continue;
    const info = await qemuInfo(path, format).catch(() => undefined);
    for (const { name } of info?.bitmaps ?? []) found.push({ path, name });
  }
  return found;
}

/** One that can't be removed keeps none of the others. */
async function removeAll<T extends { readonly name: string }>(
  bitmaps: readonly T[],
  remove: (bitmap: T) => Promise<unknown>,
): Promise<readonly string[]> {
  const problems: string[] = [];
  for (const bitmap of bitmaps) {
    await remove(bitmap).catch((error: unknown) => problems.push(`${bitmap.name}: ${messageOf(error)}`));
  }
  if (problems.length === 0) return bitmaps.map(({ name }) => name);
  throw new UmbraError('TRACKER_FAILED', `bitmaps could not be removed: ${problems.join('; ')}`);
}
