import { UmbraError } from '../../src/common/errors.js';
import type { ImageFormat } from '../../src/protocol/api.js';
import { count, list, record, text } from '../json-values.js';
import { runQemuImg } from './qemu-program.js';

/** Another file with data of an image. */
export interface ImagePart {
  readonly name: string;
  /** The bytes that it must have at least, where that is known. */
  readonly leastBytes: number;
}

/** What `qemu-img info` says of one file of an image. */
export interface QemuInfo {
  readonly encrypted: boolean;
  /** QEMU has found the image inconsistent before, and marked it. */
  readonly corrupt: boolean;
  readonly backing: { readonly path: string; readonly format: string | undefined } | undefined;
  /** Other files with data of this layer: a qcow2's data file, a VMDK's extents. */
  readonly parts: readonly ImagePart[];
  readonly sizeBytes: number | undefined;
  /** Dirty bitmaps that a qcow2 keeps. */
  readonly bitmaps: readonly ImageBitmap[];
}

/** A dirty bitmap in an image that nothing writes to. */
export interface ImageBitmap {
  readonly name: string;
  readonly granularityBytes: number;
  /** It goes on when the image is opened for writing. */
  readonly isRecording: boolean;
  /** Whoever recorded in it died. */
  readonly isInconsistent: boolean;
}

/**
 * Describe one file, without opening its backing file.
 * @param path - absolute
 * @throws {UmbraError} PROGRAM_MISSING, IMAGE_IN_USE, IMAGE_FORMAT
 */
export async function qemuInfo(path: string, format: ImageFormat): Promise<QemuInfo> {
  // -U: look without locking; the caller holds locks of its own.
  const output = await runQemuImg(path, ['info', '--output=json', '-U', '-f', format, path]);
  return parseQemuInfo(path, output);
}

/** @throws {UmbraError} IMAGE_FORMAT */
export function parseQemuInfo(path: string, output: string): QemuInfo {
  const info = record(parse(path, output));
  const specific = record(record(info['format-specific'])['data']);
  const backingPath = text(info['full-backing-filename']) ?? text(info['backing-filename']);
  const backing =
    backingPath === undefined ? undefined : { path: backingPath, format: text(info['backing-filename-format']) };
  const parts = [part(specific['data-file'], 0), ...list(specific['extents']).map(extentOf)];
  return {
    encrypted: info['encrypted'] === true,
    corrupt: specific['corrupt'] === true,
    backing,
    parts: parts.filter((found) => found !== undefined),
    sizeBytes: count(info['virtual-size']),
    bitmaps: list(specific['bitmaps']).map(bitmapOf),
  };
}

function bitmapOf(value: unknown): ImageBitmap {
  const bitmap = record(value);
  const flags = list(bitmap['flags']);
  return {
    name: text(bitmap['name']) ?? '',
    granularityBytes: count(bitmap['granularity']) ?? 0,
    isRecording: flags.includes('auto'),
    isInconsistent: flags.includes('in-use'),
  };
}

/** An extent of a VMDK; a flat one is as long as what it holds. */
function extentOf(value: unknown): ImagePart | undefined {
  const extent = record(value);
  const bytes = extent['virtual-size'];
  return part(extent['filename'], extent['format'] === 'FLAT' && typeof bytes === 'number' ? bytes : 0);
}

function part(filename: unknown, leastBytes: number): ImagePart | undefined {
  const name = text(filename);
  return name === undefined ? undefined : { name, leastBytes };
}

function parse(path: string, output: string): unknown {
  try {
    return JSON.parse(output);
  } catch (error) {
    throw new UmbraError('IMAGE_FORMAT', `qemu-img does not describe ${path} in JSON`, { cause: error });
  }
}
