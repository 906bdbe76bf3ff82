import { constants, open as openFile, type FileHandle } from 'node:fs/promises';
import path from 'node:path';

import type { DiskImage, OpenImageOptions } from '../../agent/images/image.js';
import { openImage } from '../../agent/images/open-image.js';
import { messageOf, UmbraError } from '../common/errors.js';
import { checkVolumeName } from '../common/names.js';
import type { BackupRequest, Consistency } from '../protocol/api.js';
import { CONSISTENCIES, type ConfigFile } from '../store/records.js';

/** Configuration files are kept in the shadow copy's record; they are small. */
const MAX_CONFIG_BYTES = 4 * 1024 * 1024;

export type OpenImage = (path: string, options: OpenImageOptions) => Promise<DiskImage>;

/** An image that is open, and the volume that it is. */
export interface NamedImage {
  readonly name: string;
  readonly image: DiskImage;
}

/**
 * Open the images of a backup, each with the name of its volume.
 * @param open how images are opened
 * @throws {UmbraError} IMAGE_*, BAD_NAME, BAD_ARGUMENT
 */
export async function openImages(request: BackupRequest, open: OpenImage = openImage): Promise<NamedImage[]> {
  const names = volumeNames(request.images);
  const opened: NamedImage[] = [];
  try {
    for (const [index, { path: file, format }] of request.images.entries()) {
      const image = await open(file, format === undefined ? {} : { format });
      opened.push({ name: names[index] ?? '', image });
    }
    return opened;
  } catch (error) {
    await Promise.allSettled(opened.map(({ image }) => image.close()));
    throw error;
  }
}

/**
 * Given names, and `vda`, `vdb`, … `vdz`, `vdaa`, … in order for the images that have none.
 * @throws {UmbraError} BAD_ARGUMENT, BAD_NAME
 */
export function volumeNames(images: readonly { readonly name?: string }[]): string[] {
  if (images.length === 0) throw new UmbraError('BAD_ARGUMENT', 'a backup needs at least one disk image');
  const given = new Set<string>();
  for (const { name } of images) {
    if (name === undefined) continue;
    if (given.has(checkVolumeName(name))) {
      throw new UmbraError('BAD_ARGUMENT', `two images are named "${name}"`, {
        hint: 'Give each volume a name of its own.',
      });
    }
    given.add(name);
  }
  return images.map(({ name }, index) => {
    const chosen = name ?? `vd${letters(index)}`;
    if (name === undefined && given.has(chosen)) {
      throw new UmbraError(
        'BAD_ARGUMENT',
        `the ${index + 1}. image would be "${chosen}", which another image is named`,
        {
          hint: `Name it too: --name NAME=IMAGE`,
        },
      );
    }
    return chosen;
  });
}

function letters(index: number): string {
  const last = String.fromCharCode(97 + (index % 26));
  return index < 26 ? last : letters(Math.floor(index / 26) - 1) + last;
}

/** @throws {UmbraError} BAD_ARGUMENT */
export async function readConfigs(paths: readonly string[]): Promise<ConfigFile[]> {
  const files: ConfigFile[] = [];
  let room = MAX_CONFIG_BYTES;
  for (const file of paths) {
    const name = path.basename(file);
    if (files.some((other) => other.name === name)) {
      throw new UmbraError('BAD_ARGUMENT', `two configuration files are named "${name}"`);
    }
    const data = await readConfig(file, room);
    room -= data.length;
    files.push({ name, data });
  }
  return files;
}

async function readConfig(file: string, room: number): Promise<Buffer> {
  let handle: FileHandle | undefined;
  try {
    // A named pipe would make an open that waits hang for good.
    handle = await openFile(file, constants.O_RDONLY | constants.O_NONBLOCK);
    const stat = await handle.stat();
    if (!stat.isFile()) throw new UmbraError('BAD_ARGUMENT', `the configuration ${file} is not a file`);
    // The size says nothing of a file that grows, or that the kernel makes up.
    const data = stat.size > room ? undefined : await handle.readFile();
    if (data !== undefined && data.length <= room) return data;
    throw new UmbraError('BAD_ARGUMENT', `the configuration ${file} is too large`, {
      hint: `All configuration files together may have ${MAX_CONFIG_BYTES} bytes; give a disk image as IMAGE.`,
    });
  } catch (cause) {
    if (cause instanceof UmbraError) throw cause;
    throw new UmbraError('BAD_ARGUMENT', `the configuration ${file} cannot be read: ${messageOf(cause)}`, { cause });
  } finally {
    await handle?.close();
  }
}

/** What all of them together are. */
export function consistencyOf(images: readonly NamedImage[]): Consistency {
  const worst = Math.max(...images.map(({ image }) => CONSISTENCIES.indexOf(image.consistency)));
  return CONSISTENCIES[worst] ?? 'crash';
}
