import { dirname, isAbsolute, resolve } from 'node:path';
import type { Clock } from '../../src/common/clock.js';
import { isUmbraError, UmbraError } from '../../src/common/errors.js';
import type { ImageFormat } from '../../src/protocol/api.js';
import { ImageFile } from './image-file.js';
import { notWhole } from './qemu-check.js';
import { qemuInfo, type ImagePart, type QemuInfo } from './qemu-info.js';

const FORMATS: readonly ImageFormat[] = ['raw', 'qcow2', 'vhdx', 'vmdk', 'vdi', 'vpc'];
const MAX_LAYERS = 256;

/** A file that QEMU will open, and what it will take it for. */
export interface Layer {
  readonly file: ImageFile;
  readonly format: ImageFormat;
}

/**
 * Open and lock every file that `top` is made of: its backing files down to the last, data files
 * and extents. Each layer is looked at before QEMU is let at it, so that QEMU opens nothing but
 * local files in formats that their overlays name.
 * @returns all files but `top`, which the caller closes; and the layers, `top` first
 * @throws {UmbraError} IMAGE_FORMAT, IMAGE_IN_USE, IMAGE_NOT_FOUND, IMAGE_FAILED, PROGRAM_MISSING
 */
export async function openChain(
  top: ImageFile,
  format: ImageFormat,
  clock: Clock,
): Promise<{ readonly others: readonly ImageFile[]; readonly layers: readonly Layer[] }> {
  const files: ImageFile[] = [];
  const layers: Layer[] = [{ file: top, format }];
  const seen = new Set([top.realPath]);
  try {
    let layer: Layer = { file: top, format };
    // Raw files have neither backing files nor parts.
    while (layer.format !== 'raw') {
      const overlay: ImageFile = layer.file;
      const info: QemuInfo = checkReadable(overlay.path, await qemuInfo(overlay.path, layer.format));
      for (const part of info.parts) files.push(...(await openPart(top, overlay, part, clock)));
      const backing = await openBacking(layer, info, clock);
      if (backing === undefined) break;
      layer = backing;
      layers.push(layer);
      files.push(layer.file);
      if (seen.has(layer.file.realPath)) throw refuse(overlay.path, 'is its own backing file');
      if (seen.add(layer.file.realPath).size > MAX_LAYERS)
        throw refuse(top.path, `has over ${MAX_LAYERS} backing files`);
    }
    return { others: files, layers };
  } catch (error) {
    for (const file of files) await file.close();
    throw error;
  }
}

function checkReadable(path: string, info: QemuInfo): QemuInfo {
  if (info.encrypted) {
    throw refuse(path, 'is encrypted', 'Only unencrypted images can be read; back the machine up from inside.');
  }
  if (info.corrupt) {
    throw refuse(path, 'is marked as damaged', `Repair it with "qemu-img check -r all ${path}".`);
  }
  return info;
}

async function openBacking(overlay: Layer, { backing }: QemuInfo, clock: Clock): Promise<Layer | undefined> {
  if (backing === undefined) return undefined;
  const file = await openLocal(overlay.file, backing.path, 'the backing file', clock);
  try {
    return { file, format: backingFormat(overlay, file, backing.format) };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** QEMU guesses a format that is not recorded, by content that a guest may have written. */
function backingFormat(overlay: Layer, file: ImageFile, recorded: string | undefined): ImageFormat {
  const { path } = overlay.file;
  if (recorded === undefined) {
    throw refuse(
      path,
      `does not say which format its backing file ${file.path} has`,
      `Record it: qemu-img rebase -u -F raw -b ${file.path} ${path} (or -F qcow2, if that is what it is).`,
    );
  }
  const format = FORMATS.find((known) => known === recorded);
  if (format === undefined) throw refuse(path, `has a backing file of the format ${recorded}, which is not supported`);
  return format;
}

/** Nothing if the part is the image itself, as a monolithic VMDK's only extent is. */
async function openPart(
  top: ImageFile,
  owner: ImageFile,
  { name, leastBytes }: ImagePart,
  clock: Clock,
): Promise<ImageFile[]> {
  // QEMU looks for a qcow2's data file in its working directory, which is that of `top`.
  if (!isAbsolute(name) && dirname(owner.path) !== dirname(top.path)) {
    throw refuse(owner.path, `names its data file ${name} without a directory`);
  }
  const isItself = resolve(dirname(owner.path), name) === owner.path;
  if (isItself) return [];
  const file = await openLocal(owner, name, 'the data file', clock);
  if (file.sizeBytes >= leastBytes) return [file];
  await file.close();
  throw notWhole(file.path, `has ${file.sizeBytes} of ${leastBytes} bytes`);
}

async function openLocal(owner: ImageFile, name: string, what: string, clock: Clock): Promise<ImageFile> {
  // QEMU takes what stands before a colon in the first component for a protocol: nbd:, json:, …
  if (/^[^/]*:/.test(name)) throw refuse(owner.path, `needs ${what} ${name.slice(0, 200)}, which is not a local file`);
  const path = resolve(dirname(owner.path), name);
  try {
    return await ImageFile.open(path, clock);
  } catch (error) {
    if (!isUmbraError(error, 'IMAGE_NOT_FOUND')) throw error;
    const hint = error.hint ?? 'Put the file back, or record its new place with "qemu-img rebase -u".';
    throw new UmbraError('IMAGE_FORMAT', `${owner.path} lacks ${what} ${path}: ${error.message}`, {
      hint,
      cause: error,
    });
  }
}

function refuse(path: string, what: string, hint?: string): UmbraError {
  return new UmbraError('IMAGE_FORMAT', `${path} ${what}`, hint === undefined ? {} : { hint });
}
