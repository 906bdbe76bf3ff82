import { UmbraError } from '../common/errors.js';
import { list, object, oneOf, path, volume } from '../common/params.js';

/** What a shadow copy says of files that were stored as they lay, in its configuration: which lies on which. */

/** The name of the configuration file. */
export const CHAINS_FILE = 'differencing.json';

const FORMAT = 'umbra-differencing-1';
const MAX_LAYERS = 256;

/** A file of a disk, stored as a volume of its own. */
export interface StoredFile {
  readonly volume: string;
  /** Absolute: where it lay. */
  readonly path: string;
  /** What it is read as; nothing lies below a raw one. */
  readonly format: 'raw' | 'qcow2';
}

/** A disk and the files that it is made of, the bottom first. */
export interface StoredChain {
  /** As the machine calls it: `vda`. */
  readonly disk: string;
  readonly files: readonly StoredFile[];
}

const file = object({ volume, path, format: oneOf('raw', 'qcow2') });
const chain = object({ disk: volume, files: list(file, 1, MAX_LAYERS) });
const whole = object({ format: oneOf(FORMAT), disks: list(chain, 1) });

export function encodeChains(disks: readonly StoredChain[]): Buffer {
  return Buffer.from(`${JSON.stringify({ format: FORMAT, disks }, null, 2)}\n`);
}

/** @returns undefined if it is not what {@link encodeChains} writes: then the machine may have a file of that name itself */
export function decodeChains(data: Uint8Array): readonly StoredChain[] | undefined {
  try {
    const { disks } = whole(JSON.parse(Buffer.from(data).toString('utf8')), '');
    return isSound(disks) ? disks : undefined;
  } catch (error) {
    if (error instanceof UmbraError || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** What of a shadow copy says how its files lie on each other. */
export interface StoredVolumes {
  readonly config: readonly { readonly name: string; readonly data: Uint8Array }[];
  readonly volumes: readonly { readonly name: string }[];
}

/** The disks of a machine whose files were stored as they lay; undefined where its disks were stored. */
export function chainsOf({ config, volumes }: StoredVolumes): readonly StoredChain[] | undefined {
  const named = config.find(({ name }) => name === CHAINS_FILE);
  const chains = named && decodeChains(named.data);
  const stored = new Set(volumes.map(({ name }) => name));
  return chains?.every(({ files }) => files.every((each) => stored.has(each.volume))) === true ? chains : undefined;
}

/** A disk of which the files are stored, under the name that it is shown by. */
export interface MergedDisk extends StoredChain {
  /** As the machine calls it, with something added where a volume or another disk has that name. */
  readonly name: string;
}

/** The disks that the stored files make up; none where disks were stored. */
export function mergedDisks(stored: StoredVolumes): readonly MergedDisk[] {
  const taken = new Set(stored.volumes.map(({ name }) => name));
  return (chainsOf(stored) ?? []).map((disk) => {
    let name = disk.disk;
    for (let attempt = 1; taken.has(name); attempt++) name = `${disk.disk}-merged${attempt === 1 ? '' : `-${attempt}`}`;
    taken.add(name);
    return { ...disk, name };
  });
}

/** Each volume is one file in one format, no disk has one twice, and what is raw lies at the bottom. */
function isSound(disks: readonly StoredChain[]): boolean {
  const files = disks.flatMap((disk) => disk.files);
  const keys = new Set(files.map((each) => JSON.stringify([each.volume, each.path, each.format]))).size;
  const volumes = new Set(files.map((each) => each.volume)).size;
  const paths = new Set(files.map((each) => each.path)).size;
  return (
    keys === volumes &&
    keys === paths &&
    new Set(disks.map(({ disk }) => disk)).size === disks.length &&
    disks.every((disk) => new Set(disk.files.map((each) => each.volume)).size === disk.files.length) &&
    disks.every((disk) => disk.files.every(({ format }, index) => index === 0 || format !== 'raw'))
  );
}
