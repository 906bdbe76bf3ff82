import { isAbsolute } from 'node:path';
import { count, record, text } from '../../json-values.js';
import { child, descendants, escapeXml, parseXml } from '../../xml.js';
import { READING_BITMAP } from './names.js';

/** A disk of a backup. */
export interface BackupDisk {
  /** Its target: `vda`. */
  readonly name: string;
  readonly path: string;
  readonly sizeBytes: number;
  /** Absolute; a qcow2 of the disk's size. */
  readonly scratchPath: string;
  /** Ask for what changed since the checkpoint. */
  readonly incremental: boolean;
  /** Its image can keep a bitmap. */
  readonly keepsBitmaps: boolean;
}

/** Of which image, and how large, a disk was at a checkpoint. */
export interface RecordedDisk {
  readonly path: string;
  readonly sizeBytes: number;
}

/**
 * A pull backup (libvirt.org/formatbackup.html): every disk is exported under its name, as of one instant.
 * @param since - the name of the checkpoint since which the changes of incremental disks are wanted
 */
export function backupXml(disks: readonly BackupDisk[], socketPath: string, since: string | undefined): string {
  const isIncremental = since !== undefined && disks.some(({ incremental }) => incremental);
  const diskXml = disks.map(({ name, scratchPath, incremental }) => {
    const mode = incremental ? ` exportbitmap='${READING_BITMAP}'` : isIncremental ? ` backupmode='full'` : '';
    const disk = `name='${escapeXml(name)}' backup='yes' type='file' exportname='${escapeXml(name)}'${mode}`;
    return `<disk ${disk}><driver type='qcow2'/><scratch file='${escapeXml(scratchPath)}'/></disk>`;
  });
  return `<domainbackup mode='pull'>
  ${isIncremental ? `<incremental>${escapeXml(since)}</incremental>` : ''}
  <server transport='unix' socket='${escapeXml(socketPath)}'/>
  <disks>${diskXml.join('')}</disks>
</domainbackup>`;
}

/**
 * A checkpoint of all disks that can keep a bitmap (libvirt.org/formatcheckpoint.html); undefined if none can. Its description
 * says what the disks were, so that it can be seen whether they still are.
 */
export function checkpointXml(name: string, disks: readonly BackupDisk[]): string | undefined {
  const recorded = disks.filter(({ keepsBitmaps }) => keepsBitmaps);
  if (recorded.length === 0) return undefined;
  const description = JSON.stringify({
    umbra: recorded.map((disk) => ({ name: disk.name, path: disk.path, sizeBytes: disk.sizeBytes })),
  });
  const diskXml = recorded.map((disk) => `<disk name='${escapeXml(disk.name)}' checkpoint='bitmap'/>`);
  return `<domaincheckpoint>
  <name>${escapeXml(name)}</name>
  <description>${escapeXml(description)}</description>
  <disks>${diskXml.join('')}</disks>
</domaincheckpoint>`;
}

/**
 * The disks that a checkpoint of ours has recorded, by name; none if its description is not ours.
 * @throws {UmbraError} CONFIG_UNREADABLE
 */
export function recordedDisks(xml: string): ReadonlyMap<string, RecordedDisk> {
  const root = parseXml(xml, 'a checkpoint of libvirt');
  const described = parseJson(child(root, 'description')?.text ?? '');
  const disks = Array.isArray(described['umbra']) ? described['umbra'].map(record) : [];
  const found = new Map<string, RecordedDisk>();
  for (const disk of disks) {
    const [name, path, sizeBytes] = [text(disk['name']), text(disk['path']), count(disk['sizeBytes'])];
    if (name !== undefined && path !== undefined && sizeBytes !== undefined) found.set(name, { path, sizeBytes });
  }
  return found;
}

/** A disk of a backup job, and where its scratch file lies. */
export interface ScratchDisk {
  readonly name: string;
  readonly path: string;
}

/** The disks of a backup job that have scratch files. */
export function scratchDisks(xml: string): readonly ScratchDisk[] {
  const disks = descendants(parseXml(xml, 'a backup of libvirt'), 'disks', 'disk');
  return disks.flatMap((disk) => {
    const path = child(disk, 'scratch')?.attributes.get('file') ?? '';
    return isAbsolute(path) ? [{ name: disk.attributes.get('name') ?? '', path }] : [];
  });
}

function parseJson(json: string): Readonly<Record<string, unknown>> {
  try {
    return record(JSON.parse(json));
  } catch {
    return {};
  }
}
