import { stat } from 'node:fs/promises';
import { basename, dirname, extname, relative, resolve } from 'node:path';
import { messageOf } from '../../src/common/errors.js';
import type { DiscoveredMachine } from '../../src/protocol/agents-api.js';
import type { ImageFormat } from '../../src/protocol/api.js';
import { decideFormat } from '../images/format.js';
import { CONTAINER_EXTENSIONS, HEAD_BYTES, magicOf, TAIL_BYTES } from '../images/magic.js';
import { Slots } from '../images/nbd/slots.js';
import { qemuInfo, type QemuInfo } from '../images/qemu-info.js';
import { backingChain } from './backing-chain.js';
import type { Found } from './found.js';
import { readBeginning } from './read-text.js';
import { realPathOf } from './real-path.js';
import { walk, type WalkedFile } from './walk.js';

const LIMITS = { maxDepth: 8, maxEntries: 100_000 };
/** Raw disks have no mark of their own: only these names say that a file is one. */
const RAW_EXTENSIONS = ['.raw', '.img'];
const IMAGES_AT_ONCE = 4;

interface Image extends WalkedFile {
  readonly format: ImageFormat;
  readonly sizeBytes: number;
  readonly info: QemuInfo | undefined;
}

/**
 * Every disk image below a directory as a machine of its own: those that are there now, so ask again for new ones. Images behind
 * others and parts of others are left out, and what is named like none: sockets, logs, unfinished downloads, hidden files.
 * @param directory - absolute
 * @param taken - real paths of images that are known from elsewhere
 */
export async function discoverDirectory(directory: string, taken: ReadonlySet<string>): Promise<Found> {
  const { files, notes } = await walk(directory, LIMITS, isNamedLikeImage);
  const slots = new Slots(IMAGES_AT_ONCE);
  const looked = await Promise.all(files.map((file) => slots.use(() => look(file))));
  const images = looked.filter((image) => 'format' in image);
  const behind = await behindOthers(images);
  const isShown = ({ realPath }: WalkedFile): boolean => !behind.has(realPath) && !taken.has(realPath);
  const shown = images.filter((image) => isShown(image) && image.sizeBytes > 0);
  const failed = looked.filter((image) => 'reason' in image && isShown(image));
  const names = namesOf(directory, shown);
  const machines = await Promise.all(
    shown.map((image, index) => slots.use(() => machineOf(image, names[index] ?? image.path))),
  );
  return { machines, notes: [...notes, ...failed.map((image) => ('reason' in image ? image.reason : ''))] };
}

function isNamedLikeImage(name: string): boolean {
  const extension = extname(name).toLowerCase();
  return !name.startsWith('.') && (RAW_EXTENSIONS.includes(extension) || CONTAINER_EXTENSIONS.has(extension));
}

/** Without the locks that reading an image takes: a machine that starts just now must not find its image locked. */
async function look(file: WalkedFile): Promise<Image | (WalkedFile & { readonly reason: string })> {
  const { path } = file;
  try {
    const { size } = await stat(path);
    const head = await readBeginning(path, HEAD_BYTES);
    const tail = await readBeginning(path, TAIL_BYTES, Math.max(0, size - TAIL_BYTES));
    const format = decideFormat({ path, isDevice: false, magic: magicOf(head, tail) });
    return { ...file, format, sizeBytes: size, info: format === 'raw' ? undefined : await qemuInfo(path, format) };
  } catch (error) {
    return { ...file, reason: `${path} is left out: ${messageOf(error)}` };
  }
}

/** Real paths of the files that belong to other images. */
async function behindOthers(images: readonly Image[]): Promise<ReadonlySet<string>> {
  const behind = new Set<string>();
  for (const { path, realPath, info } of images) {
    const names = [info?.backing?.path, ...(info?.parts ?? []).map(({ name }) => name)];
    for (const name of names.filter((each) => each !== undefined)) {
      const other = await realPathOf(resolve(dirname(path), name));
      if (other !== realPath) behind.add(other);
    }
  }
  return behind;
}

/** `web` for `web.qcow2`, `old/web` for one in a folder; with its extension where two would have one name. */
function namesOf(directory: string, images: readonly Image[]): readonly string[] {
  const short = images.map(({ path }) => {
    const name = relative(directory, path);
    return name.slice(0, name.length - extname(name).length);
  });
  const count = new Map<string, number>();
  for (const name of short) count.set(name, (count.get(name) ?? 0) + 1);
  return images.map(({ path }, index) => {
    const name = short[index] ?? basename(path);
    return count.get(name) === 1 ? name : relative(directory, path);
  });
}

async function machineOf({ path, format, sizeBytes }: Image, name: string): Promise<DiscoveredMachine> {
  const size = format === 'raw' ? { sizeBytes } : {};
  const volume = { name: 'vda', path, format, backing: await backingChain(path, format), ...size };
  return { name, source: 'directory', state: 'unknown', volumes: [volume], skipped: [], configPaths: [] };
}
