import { isUmbraError } from '../../src/common/errors.js';
import { mergedDisks, type MergedDisk } from '../../src/protocol/stored-chains.js';
import type { ByteSource } from '../blocks/byte-source.js';
import { NOTHING } from '../disk/nothing.js';
import type { OpenFile } from '../node.js';
import type { ImageCaches } from '../qcow2/image-caches.js';
import type { ShadowCopyView, VolumeReader } from '../source.js';
import { openChain } from './open-chain.js';
import { unreadableDiskText } from './unreadable-disk.js';

/** What is seen of a disk when its files are looked at. */
export type LookedDisk = { readonly sizeBytes: number } | { readonly unreadable: string };

/** Opens the reader of a volume. */
type OpenVolume = (volume: string) => Promise<VolumeReader>;

/** The disks of a shadow copy that are put together from the files that they were stored as. */
export class MergedVolumes {
  readonly disks: readonly MergedDisk[];
  readonly #view: ShadowCopyView;
  readonly #caches: ImageCaches;
  /** What does not change any more. */
  readonly #looked = new Map<MergedDisk, Promise<LookedDisk>>();

  constructor(view: ShadowCopyView, caches: ImageCaches) {
    this.disks = mergedDisks(view);
    this.#view = view;
    this.#caches = caches;
  }

  /** At most as many bytes as a disk may have data. */
  dataBytes({ files }: MergedDisk): number {
    const parts = new Set(files.map(({ volume }) => volume));
    return this.#view.volumes.reduce((sum, { name, dataBytes }) => sum + (parts.has(name) ? dataBytes : 0), 0);
  }

  /**
   * How large a disk is, or why it can't be shown; reads the headers of its files.
   * @throws {UmbraError} NOT_FOUND when the shadow copy is forgotten
   */
  look(disk: MergedDisk): Promise<LookedDisk> {
    const looked = this.#looked.get(disk) ?? this.#look(disk);
    this.#looked.set(disk, looked);
    return looked;
  }

  /**
   * Open a disk for reading. While it is open the shadow copy can't be forgotten.
   * @throws {UmbraError} NOT_FOUND, FILESYSTEM_DAMAGED, FILESYSTEM_UNREADABLE, STORE_DAMAGED
   */
  async open(disk: MergedDisk): Promise<OpenFile> {
    const { source, close } = await this.#open(disk, (volume) => this.#view.openVolume(volume));
    return { read: (target, offset) => source.read(target, offset), close };
  }

  async #look(disk: MergedDisk): Promise<LookedDisk> {
    try {
      const { source, close } = await this.#open(disk, (volume) => this.#view.lookInto(volume));
      await close();
      return { sizeBytes: source.sizeBytes };
    } catch (error) {
      // What the store can't give today it may give tomorrow.
      if (!isUmbraError(error, 'FILESYSTEM_DAMAGED', 'FILESYSTEM_UNREADABLE')) this.#looked.delete(disk);
      if (!isUmbraError(error) || error.code === 'NOT_FOUND') throw error;
      return { unreadable: unreadableDiskText(disk, error) };
    }
  }

  async #open(
    disk: MergedDisk,
    open: OpenVolume,
  ): Promise<{ readonly source: ByteSource; readonly close: () => Promise<void> }> {
    const readers = new Map<string, VolumeReader>();
    const closeReaders = async (): Promise<void> => {
      for (const reader of readers.values()) await reader.close();
    };
    try {
      for (const { volume } of disk.files) readers.set(volume, await open(volume));
      const opened = await openChain(disk, (volume) => readerSource(volume, readers.get(volume)), this.#caches);
      return {
        source: opened.source,
        close: async () => {
          opened.close();
          await closeReaders();
        },
      };
    } catch (error) {
      await closeReaders();
      throw error;
    }
  }
}

function readerSource(volume: string, reader: VolumeReader | undefined): ByteSource {
  if (reader === undefined) return NOTHING;
  return {
    sizeBytes: reader.sizeBytes,
    read: (target, offset) => reader.read(target, offset),
    locate: (offset, length) => (length === 0 ? [] : [{ volume, offset, length }]),
  };
}
