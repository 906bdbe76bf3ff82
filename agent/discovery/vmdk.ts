import { dirname, resolve } from 'node:path';
import { UmbraError } from '../../src/common/errors.js';
import { decodeText, readBeginning } from './read-text.js';

/*
 * A VMDK's descriptor is text, in a file of its own or inside of a sparse extent. VMware, "Virtual Disk Format 5.0":
 *   CID=…, parentCID=… (ffffffff: no parent), createType="…", parentFileNameHint="…", and one line for each extent:
 *   access sectors type "file name" …
 */

/** What a VMDK says of itself. */
export interface Vmdk {
  readonly sizeBytes: number;
  /** Absolute; undefined of a disk that is no snapshot's. */
  readonly parent: string | undefined;
  /** `monolithicSparse`, `vmfs`, `fullDevice`, … */
  readonly createType: string;
}

const SECTOR_BYTES = 512;
const MAX_DESCRIPTOR_BYTES = 1024 * 1024;
const HEADER_BYTES = 512;
const SPARSE_MAGIC = 'KDMV';
const TEXT_MAGIC = '# Disk DescriptorFile';
const NO_PARENT = 'ffffffff';
const EXTENT = /^(?:RW|RDONLY|NOACCESS)\s+(\d{1,15})\s+[A-Z0-9]+\b/;
const SETTING = /^([A-Za-z.]+)\s*=\s*"?([^"]*)"?$/;
const MAX_LAYERS = 256;

/**
 * Read a VMDK's descriptor.
 * @param path - absolute
 * @throws {UmbraError} CONFIG_UNREADABLE
 */
export async function readVmdk(path: string): Promise<Vmdk> {
  const settings = new Map<string, string>();
  let sectors = 0;
  for (const line of (await readDescriptor(path)).split(/[\r\n]+/).map((text) => text.trim())) {
    const extent = EXTENT.exec(line);
    const setting = SETTING.exec(line);
    if (extent) sectors += Number(extent[1]);
    else if (setting) settings.set(setting[1] ?? '', setting[2] ?? '');
  }
  const sizeBytes = sectors * SECTOR_BYTES;
  if (!Number.isSafeInteger(sizeBytes)) throw unreadable(path, 'is impossibly large');
  const hint = settings.get('parentFileNameHint');
  const isChild = (settings.get('parentCID') ?? NO_PARENT).toLowerCase() !== NO_PARENT;
  if (isChild && hint === undefined) throw unreadable(path, 'does not name its parent');
  return {
    sizeBytes,
    parent: isChild && hint !== undefined ? resolve(dirname(path), hint) : undefined,
    createType: settings.get('createType') ?? '',
  };
}

/**
 * The disks that a snapshot's delta disk is made of, the nearest first.
 * @throws {UmbraError} CONFIG_UNREADABLE when one can't be read, or is its own parent
 */
export async function vmdkParents(path: string, vmdk: Vmdk): Promise<readonly string[]> {
  const parents: string[] = [];
  for (let { parent } = vmdk; parent !== undefined; { parent } = await readVmdk(parent)) {
    if (parent === path || parents.includes(parent)) throw unreadable(path, 'is its own parent');
    if (parents.length >= MAX_LAYERS) throw unreadable(path, `has over ${MAX_LAYERS} parents`);
    parents.push(parent);
  }
  return parents;
}

async function readDescriptor(path: string): Promise<string> {
  const header = await readBeginning(path, HEADER_BYTES);
  if (header.toString('latin1', 0, TEXT_MAGIC.length) === TEXT_MAGIC) {
    return decodeText(await readBeginning(path, MAX_DESCRIPTOR_BYTES));
  }
  if (header.length < HEADER_BYTES || header.toString('latin1', 0, 4) !== SPARSE_MAGIC) {
    throw unreadable(path, 'is no VMDK');
  }
  const offset = Number(header.readBigUInt64LE(28)) * SECTOR_BYTES;
  const length = Number(header.readBigUInt64LE(36)) * SECTOR_BYTES;
  if (offset === 0 || offset > Number.MAX_SAFE_INTEGER || length > MAX_DESCRIPTOR_BYTES) {
    throw unreadable(path, 'has no descriptor where it should be');
  }
  const text = await readBeginning(path, length, offset);
  // It is padded with zeros.
  return decodeText(text.subarray(0, text.includes(0) ? text.indexOf(0) : text.length));
}

function unreadable(path: string, what: string): UmbraError {
  return new UmbraError('CONFIG_UNREADABLE', `${path} ${what}`);
}
