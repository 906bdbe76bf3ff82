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
