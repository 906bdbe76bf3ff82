import { UmbraError } from '../../src/common/errors.js';
import type { ImageFormat } from '../../src/protocol/api.js';
import { QCOW2_MAGIC } from '../../src/qcow2/header.js';
import type { ImageFile } from './image-file.js';
import { imageNode } from './image-node.js';
import { tryQemuImg } from './qemu-program.js';

/** What `qemu-img check` ends with where nothing is wrong but space that nothing uses, or it has no check of the format. */
const SOUND: readonly (number | undefined)[] = [0, 3, 63];
const DAMAGED = 2;
/** It reads the metadata of the whole image. */
const TIMEOUT_MS = 10 * 60_000;

/** The most of a header that is looked at. */
const HEADER_BYTES = 512;
const VDI_SIGNATURE = 0xbeda107f;

/**
 * See that one file of an image is all there. QEMU reads zeros behind the end of a file, so what was half copied would
 * otherwise pass for an empty disk.
 * @param alone - open no file but this one, whatever it names
 * @throws {UmbraError} IMAGE_FORMAT, PROGRAM_MISSING, IMAGE_CHANGED, IMAGE_FAILED
 */
export async function checkWhole(file: ImageFile, format: ImageFormat, alone = false): Promise<void> {
  if (format === 'raw') return;
  const { path, sizeBytes } = file;
  const image = alone ? [imageNode([{ path, format }])] : ['-f', format, path];
  const neededBytes = await leastBytes(file, format);
  if (sizeBytes < neededBytes) throw notWhole(path, `has ${sizeBytes} of at least ${neededBytes} bytes`);
  const { code, stdout, failed } = await tryQemuImg(path, ['check', '--output=json', '-U', ...image], TIMEOUT_MS);
  if (code === DAMAGED) throw notWhole(path, `has ${errorsIn(stdout)}`);
  if (failed !== undefined && !SOUND.includes(code)) throw failed;
}

/** How long a file must be by its header, where QEMU's check does not look at that. */
async function leastBytes(file: ImageFile, format: ImageFormat): Promise<number> {
  const header = Buffer.alloc(HEADER_BYTES);
  await file.read(header.subarray(0, Math.min(HEADER_BYTES, file.sizeBytes)), 0);
  if (format === 'qcow2' && header.readUInt32BE(0) === QCOW2_MAGIC) {
    // The table that leads to all others: behind the end of the file it reads as an empty disk.
    return Number(header.readBigUInt64BE(40)) + 8 * header.readUInt32BE(36);
  }
  if (format === 'vdi' && header.readUInt32LE(0x40) === VDI_SIGNATURE) {
    // Its blocks lie one behind the other.
    const blockBytes = header.readUInt32LE(0x178) + header.readUInt32LE(0x17c);
    return header.readUInt32LE(0x158) + blockBytes * header.readUInt32LE(0x184);
  }
  return 0;
}

/** The error for a file that lacks a part. */
export function notWhole(path: string, what: string): UmbraError {
  return new UmbraError('IMAGE_FORMAT', `${path} is damaged or was cut off: it ${what}`, {
    hint: `If it is a copy, copy it again. "qemu-img check ${path}" says what is wrong.`,
  });
}

function errorsIn(output: string): string {
  const count = /"corruptions": (\d+)/.exec(output)?.[1];
  return count === '1' ? '1 error' : `${count ?? 'many'} errors`;
}
