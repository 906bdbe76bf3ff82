import { join } from 'node:path';
import { UmbraError } from '../../../src/common/errors.js';
import { describeDomain, type DomainDisk } from '../../discovery/domain-xml.js';
import type { Domain } from '../../libvirt/domain.js';
import type { Libvirt } from '../../libvirt/libvirt.js';
import { child, descendants, parseXml } from '../../xml.js';
import type { BackupDisk, RecordedDisk } from './backup-xml.js';
import { readCheckpoint } from './checkpoints.js';
import { checkpointName } from './names.js';

/** A domain as it is now, as far as a checkpoint needs it. */
export interface DomainNow {
  /** The wanted ones. */
  readonly disks: readonly DomainDisk[];
  /** The user QEMU runs as. */
  readonly owner: number;
  /** Why volumes are not among the disks, for people. */
  readonly remarks: readonly string[];
}

/** What a backup is to contain. */
export interface BackupPlan {
  readonly disks: readonly BackupDisk[];
  /** The name of libvirt's checkpoint since which changes are wanted; undefined if none can be relied on. */
  readonly since: string | undefined;
  readonly remarks: readonly string[];
}

/**
 * @param wanted - names of volumes; all of them when absent
 * @throws {UmbraError} TRACKER_UNAVAILABLE when nothing is left, HYPERVISOR_*, CONFIG_UNREADABLE
 */
export async function domainNow(
  libvirt: Libvirt,
  domain: Domain,
  wanted: readonly string[] | undefined,
): Promise<DomainNow> {
  const xml = await libvirt.xml(domain, 'current');
  const { disks, skipped } = describeDomain(xml, `the XML of ${domain.name}`);
  const isWanted = (name: string): boolean => wanted === undefined || wanted.includes(name);
  const chosen = disks.filter(({ name }) => isWanted(name));
  const remarks = skipped
    .filter(({ name }) => isWanted(name))
    .map(({ name, reason }) => `${name} is left out: ${reason}`);
  const known = new Set([...disks, ...skipped].map(({ name }) => name));
  for (const name of wanted ?? []) if (!known.has(name)) remarks.push(`the machine has no volume ${name}`);
  if (chosen.length === 0) {
    const why = remarks.length === 0 ? '' : `: ${remarks.join('; ')}`;
    throw new UmbraError('TRACKER_UNAVAILABLE', `${domain.name} has no disk that can be read${why}`);
  }
  return { disks: chosen, owner: ownerIn(xml), remarks };
}

/**
 * Which disks are asked for their changes: those whose checkpoint was made of the image that they have now.
 * @param since - the id of libvirt's checkpoint
 * @throws {UmbraError} HYPERVISOR_*
 */
export async function planBackup(
  libvirt: Libvirt,
  domain: Domain,
  { disks }: DomainNow,
  since: string | undefined,
  scratch: string,
): Promise<BackupPlan> {
  const name = since === undefined ? undefined : checkpointName(since);
  const recorded = name === undefined ? undefined : await readCheckpoint(libvirt, domain, name);
  const remarks: string[] = typeof recorded === 'string' ? [recorded] : [];
  const planned: BackupDisk[] = [];
  for (const disk of disks) {
    const sizeBytes = (await libvirt.blockInfo(domain, disk.name)).capacityBytes;
    const before = typeof recorded === 'object' ? recorded.get(disk.name) : undefined;
    const reason = typeof recorded === 'object' ? whyNot({ ...disk, sizeBytes }, before) : undefined;
    if (reason !== undefined) remarks.push(`${disk.name}: ${reason}`);
    planned.push({
      name: disk.name,
      path: disk.path,
      sizeBytes,
      scratchPath: join(scratch, `${planned.length}.qcow2`),
      incremental: typeof recorded === 'object' && reason === undefined,
      keepsBitmaps: disk.format === 'qcow2',
    });
  }
  const isIncremental = planned.some(({ incremental }) => incremental);
  return { disks: planned, since: isIncremental ? name : undefined, remarks };
}

/**
 * A checkpoint is made a moment before its backup. While that runs, its disks can't be others: so what they are now, they were all the time
 * if the plan has the same.
 * @throws {UmbraError} TRACKER_FAILED if a disk got another image in between; HYPERVISOR_*, CONFIG_UNREADABLE
 */
export async function refuseOtherImages(libvirt: Libvirt, domain: Domain, { disks }: BackupPlan): Promise<void> {
  const now = describeDomain(await libvirt.xml(domain, 'current'), `the XML of ${domain.name}`).disks;
  for (const { name, path } of disks) {
    if (now.find((disk) => disk.name === name)?.path === path) continue;
    throw new UmbraError('TRACKER_FAILED', `${name} of ${domain.name} got another image while a checkpoint was made`, {
      hint: 'The next backup will have it.',
    });
  }
}

function whyNot(now: RecordedDisk & DomainDisk, before: RecordedDisk | undefined): string | undefined {
  if (before === undefined) {
    return now.format === 'qcow2' ? 'it is new' : `its format ${now.format} keeps no bitmaps`;
  }
  if (before.path !== now.path) return 'it has another image than before';
  return before.sizeBytes === now.sizeBytes ? undefined : 'it was resized';
}

/** libvirt says as which user QEMU runs in the label of the driver `dac`, `+USER:+GROUP`; root where it says nothing. */
export function ownerIn(xml: string): number {
  const labels = descendants(parseXml(xml, 'a domain'), 'seclabel').filter(
    ({ attributes }) => attributes.get('model') === 'dac',
  );
  const user = labels.map((label) => /^\+?(\d{1,10}):/.exec(child(label, 'label')?.text ?? '')?.[1]);
  return Number(user.find((each) => each !== undefined) ?? 0);
}
