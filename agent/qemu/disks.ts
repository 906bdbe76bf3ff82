import { isVolumeName } from '../../src/common/names.js';
import { printable } from '../../src/common/printable.js';
import type { SkippedVolume } from '../../src/protocol/agents-api.js';
import type { ImageFormat } from '../../src/protocol/api.js';
import { count, list, record, text } from '../json-values.js';
import type { QmpClient } from './qmp.js';

/** A dirty bitmap of a node. */
export interface QemuBitmap {
  readonly name: string;
  readonly granularityBytes: number;
  readonly isRecording: boolean;
  readonly isInconsistent: boolean;
}

/** A disk that a guest has, and that QEMU can give a point in time of. */
export interface QemuDisk {
  /** Unique in the machine: `vda`. */
  readonly volume: string;
  /** The device's path in QEMU's object model. */
  readonly devicePath: string;
  /** The node that the device reads and writes. */
  readonly node: string;
  /** As QEMU names the file or device. */
  readonly path: string;
  readonly format: ImageFormat;
  readonly sizeBytes: number;
  /** The images behind it, the nearest first. */
  readonly backing: readonly string[];
  /** Bitmaps can be kept in the image. */
  readonly keepsBitmaps: boolean;
  readonly bitmaps: readonly QemuBitmap[];
}

export interface QemuDisks {
  readonly disks: readonly QemuDisk[];
  readonly skipped: readonly SkippedVolume[];
}

/** By QEMU's names of drivers; the last two are a file or device without a format of its own. */
const FORMATS: ReadonlyMap<string, ImageFormat> = new Map([
  ...(['raw', 'qcow2', 'vhdx', 'vmdk', 'vdi', 'vpc'] as const).map((format) => [format, format] as const),
  ['file', 'raw'],
  ['host_device', 'raw'],
]);
/** What a job of QEMU's may put before a disk, so that QEMU does not say what the disk is. */
const FILTERS_OF_JOBS = new Set(['mirror_top', 'commit_top']);
/** Why a disk is skipped that is there, and can be seen again soon. */
export const HIDDEN_BY_JOB = "another program's job works on it";
/** Devices that hand a guest's commands to a disk without QEMU seeing what they write. */
const PASSED_THROUGH = new Set(['scsi-block', 'scsi-generic']);
const MAX_CHAIN = 200;

/**
 * The disks of a machine, in QEMU's order. Volumes are named as `names` says (by device id or path), else as the device
 * where that can be a volume's name, else `vda`, `vdb`, … by their place.
 * @throws {UmbraError} TRACKER_FAILED
 */
export async function findDisks(qmp: QmpClient, names: ReadonlyMap<string, string> = new Map()): Promise<QemuDisks> {
  const disks: QemuDisk[] = [];
  const skipped: SkippedVolume[] = [];
  const namer = new Namer(names);
  for (const device of list(await qmp.execute('query-block')).map(record)) {
    const found = parse(device);
    const id = text(device['qdev']) ?? text(device['device']) ?? '';
    // Something without a device, and without a medium, is nobody's disk.
    if (found === undefined) continue;
    const reason = typeof found === 'string' ? found : await reasonOfDevice(qmp, found.devicePath);
    const isDisk = device['removable'] !== true;
    const name = isDisk ? namer.next(id, typeof found === 'string' ? undefined : found.path) : printable(shortId(id));
    if (reason !== undefined) skipped.push({ name, reason });
    else if (typeof found !== 'string') disks.push({ ...found, volume: name });
  }
  return { disks, skipped };
}

/** A name for each disk, no two the same. */
class Namer {
  readonly #names: ReadonlyMap<string, string>;
  readonly #taken = new Set<string>();
  #place = 0;

  constructor(names: ReadonlyMap<string, string>) {
    this.#names = names;
  }

  next(id: string, path: string | undefined): string {
    const byPlace = volumeByPlace(this.#place++);
    const wanted = this.#names.get(shortId(id)) ?? (path === undefined ? undefined : this.#names.get(path));
    const candidates = [wanted, shortId(id), byPlace].filter((name) => name !== undefined);
    let name = candidates.find((candidate) => isVolumeName(candidate) && !this.#taken.has(candidate));
    for (let more = this.#place; name === undefined; more += 1) {
      if (!this.#taken.has(volumeByPlace(more))) name = volumeByPlace(more);
    }
    this.#taken.add(name);
    return name;
  }
}

/** `vda` to `vdz`, `vdaa`, … */
export function volumeByPlace(place: number): string {
  let letters = '';
  for (let rest = place + 1; rest > 0; rest = Math.floor((rest - 1) / 26)) {
    letters = String.fromCharCode(97 + ((rest - 1) % 26)) + letters;
  }
  return `vd${letters}`;
}

/** The id that the device was given; a device without one has only a path, which is no name. */
function shortId(id: string): string {
  return /^\/machine\/peripheral\/([^/]+)/.exec(id)?.[1] ?? id;
}

/** Why not, if it is no disk that can be protected; undefined if it is none at all. */
function parse(device: Readonly<Record<string, unknown>>): Omit<QemuDisk, 'volume'> | string | undefined {
  const inserted = record(device['inserted']);
  const id = text(device['qdev']);
  if (id === undefined) return 'inserted' in device ? 'it is not connected to the machine' : undefined;
  if (device['removable'] === true) return 'a CD or another medium that can be taken out';
  if (!('inserted' in device)) return 'there is no medium in it';
  if (inserted['ro'] === true) return 'it is read-only';
  const image = record(inserted['image']);
  const driver = text(inserted['drv']) ?? '';
  const format = FORMATS.get(driver);
  const path = text(image['filename']) ?? '';
  const node = text(inserted['node-name']);
  const sizeBytes = count(image['virtual-size']);
  if (FILTERS_OF_JOBS.has(driver)) return HIDDEN_BY_JOB;
  if (format === undefined) return `QEMU's driver "${printable(driver)}" is not supported`;
  if (/^json:|^[a-z+]+:\/\//.test(path) || path === '') return 'it is no file or device of this host';
  if (node === undefined || sizeBytes === undefined) return 'QEMU does not describe it';
  return {
    devicePath: id.startsWith('/') ? id : `/machine/peripheral/${id}`,
    node,
    path,
    format,
    sizeBytes,
    backing: backingOf(image),
    keepsBitmaps: driver === 'qcow2' && specificData(image)['compat'] !== '0.10',
    bitmaps: parseBitmaps(inserted['dirty-bitmaps']),
  };
}

/** Bitmaps without a name belong to jobs. */
export function parseBitmaps(bitmaps: unknown): QemuBitmap[] {
  const found: QemuBitmap[] = [];
  for (const bitmap of list(bitmaps).map(record)) {
    const name = text(bitmap['name']);
    if (name === undefined) continue;
    found.push({
      name,
      granularityBytes: count(bitmap['granularity']) ?? 0,
      isRecording: bitmap['recording'] === true,
      isInconsistent: bitmap['inconsistent'] === true,
    });
  }
  return found;
}

function specificData(image: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return record(record(image['format-specific'])['data']);
}

function backingOf(image: Readonly<Record<string, unknown>>): string[] {
  const backing: string[] = [];
  for (let at = record(image['backing-image']); backing.length < MAX_CHAIN; at = record(at['backing-image'])) {
    const path = text(at['filename']);
    if (path === undefined) break;
    backing.push(path);
  }
  return backing;
}

async function reasonOfDevice(qmp: QmpClient, devicePath: string): Promise<string | undefined> {
  const type = await qmp.execute('qom-get', { path: devicePath, property: 'type' });
  return PASSED_THROUGH.has(text(type) ?? '') ? 'a device of the host is passed through to it' : undefined;
}
