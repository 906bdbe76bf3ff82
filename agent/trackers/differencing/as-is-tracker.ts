import { UmbraError } from '../../../src/common/errors.js';
import { checkVolumeName } from '../../../src/common/names.js';
import type { DiscoveredVolume } from '../../../src/protocol/agents-api.js';
import { CHAINS_FILE, encodeChains, type StoredChain, type StoredFile } from '../../../src/protocol/stored-chains.js';
import { ImageFile } from '../../images/image-file.js';
import { openLayeredImage } from '../../images/layered-image.js';
import { openImage } from '../../images/open-image.js';
import { openChain, type Layer } from '../../images/qemu-chain.js';
import { ScanTracker, type ScanTrackerOptions } from '../scan/scan-tracker.js';
import type { Checkpoint, CheckpointRequest, Tracker } from '../tracker.js';

export interface AsIsOptions extends Omit<ScanTrackerOptions, 'open'> {
  /** A QEMU has put overlays on the files: it may still have them open for writing, and does not. */
  readonly areFrozen?: boolean;
}

/**
 * Takes the files of a machine that does not write to them as they lie, each as a volume of its own: `vda.0` is the one at the
 * bottom of the disk `vda`, so that an overlay that is put on top changes no other's name. A file whose size and times are as they
 * were is not read.
 */
export class AsIsTracker implements Tracker {
  readonly kind = 'differencing';
  readonly #options: AsIsOptions;

  constructor(options: AsIsOptions) {
    this.#options = options;
  }

  async checkpoint({ volumes, ...request }: CheckpointRequest): Promise<Checkpoint> {
    const wanted = this.#options.volumes.filter(({ name }) => volumes?.includes(name) !== false);
    const missing = (volumes ?? []).filter((name) => !wanted.some((volume) => volume.name === name));
    // Held until their files are open once more: what their headers say is true until then.
    const held: ImageFile[] = [];
    try {
      const chains = await this.#chains(wanted, held, request.signal);
      const checkpoint = await this.#scan(chains).checkpoint(request);
      try {
        for (const file of held) await file.assertUnchanged();
      } catch (error) {
        await checkpoint.close();
        throw error;
      }
      return {
        ...checkpoint,
        notes: [...missing.map((name) => `the machine has no volume ${name}`), ...checkpoint.notes],
      };
    } finally {
      for (const file of held) await file.close();
    }
  }

  forget(): Promise<void> {
    return this.#scan([]).forget();
  }

  async #chains(
    volumes: readonly DiscoveredVolume[],
    held: ImageFile[],
    signal: AbortSignal,
  ): Promise<readonly StoredChain[]> {
    const known = new Map<string, StoredFile>();
    const chains: StoredChain[] = [];
    for (const volume of volumes) {
      if (signal.aborted) throw new UmbraError('CANCELLED', 'cancelled');
      const layers = await openLayers(volume, held, this.#options);
      chains.push({ disk: volume.name, files: layers.toReversed().map(storedFile(volume.name, known)) });
    }
    return chains;
  }

  #scan(chains: readonly StoredChain[]): ScanTracker {
    const { clock, readConfig, areFrozen: isFrozen = false } = this.#options;
    const files = new Map(chains.flatMap((chain) => chain.files.map((file) => [file.volume, file.path])));
    return new ScanTracker({
      ...this.#options,
      volumes: [...files].map(([name, path]) => ({ name, path, format: 'raw', backing: [] })),
      open: ({ path }) =>
        isFrozen
          ? openLayeredImage(path, { format: 'raw', clock, isFrozen })
          : openImage(path, { format: 'raw', clock }),
      readConfig: async () => [
        ...(await readConfig()).filter(({ name }) => name !== CHAINS_FILE),
        { name: CHAINS_FILE, data: encodeChains(chains) },
      ],
    });
  }
}

/** What a layer is stored as; a file that several disks lie on is stored once. */
function storedFile(disk: string, known: Map<string, StoredFile>): (layer: Layer, index: number) => StoredFile {
  return ({ file: { path }, format }, index) => {
    const stored = known.get(path);
    if (stored?.format === format) return stored;
    if (format !== 'raw' && format !== 'qcow2') throw refuse(path, `is a ${format} image`);
    if (stored !== undefined)
      throw refuse(path, `is taken for ${stored.format} by one disk and for ${format} by another`);
    const file: StoredFile = { volume: checkVolumeName(`${disk}.${index}`), path, format };
    known.set(path, file);
    return file;
  };
}

/** @returns the layers of a disk, the top first; their files are among `held` */
async function openLayers(
  { path, format }: DiscoveredVolume,
  held: ImageFile[],
  { clock }: Pick<ScanTrackerOptions, 'clock'>,
): Promise<readonly Layer[]> {
  const top = await ImageFile.open(path, clock);
  held.push(top);
  const { others, layers } = await openChain(top, format, clock);
  held.push(...others);
  if (others.length + 1 === layers.length) return layers;
  throw refuse(path, 'has data in other files than its backing files');
}

function refuse(path: string, what: string): UmbraError {
  return new UmbraError('IMAGE_FORMAT', `${path} ${what}: it cannot be stored as it is`, {
    hint: 'Files are stored as they are where they are raw or qcow2; protect the machine without --as-is.',
  });
}
