import type { Clock } from '../../src/common/clock.js';
import type { Eventually } from '../../src/common/eventually.js';
import { isUmbraError, messageOf } from '../../src/common/errors.js';
import type { Log } from '../../src/common/log.js';
import type { ByteSource } from '../blocks/byte-source.js';
import { causeOf } from '../disk/unreadable-cause.js';
import type { Filesystem } from '../filesystems/filesystem.js';
import { type GuestVolumes, guestVolumes } from '../merged/guest-volumes.js';
import type { ImageCaches } from '../qcow2/image-caches.js';
import type { ShadowCopyView } from '../source.js';
import { uniqueNames } from './device-names.js';
import type { FindDevices, GuestDevice, UnreadableContent } from './guest-device.js';
import { unreadableText } from './unreadable-text.js';
import { VolumeSource } from './volume-source.js';

/** A file system of a guest, or why it can't be read. */
export interface Guest {
  /** Its folder in `files/`: the partition or logical volume, unique in the shadow copy. */
  readonly name: string;
  readonly sizeBytes: number;
  readonly filesystem?: Filesystem;
  /** Set when `filesystem` is not. */
  readonly unreadable?: UnreadableContent;
  /** What was found wrong on the way to it, in plain words. */
  readonly problems: readonly string[];
}

export interface ShadowFilesOptions {
  /** `MACHINE@VERSION`, for the log. */
  readonly title: string;
  readonly view: ShadowCopyView;
  readonly find: FindDevices;
  readonly caches: ImageCaches;
  readonly clock: Clock;
  readonly log: Log;
  /** Called when a file system was opened: it takes memory now. */
  readonly onOpened: (filesystem: Filesystem) => void;
}

interface Looked {
  guest: Eventually<Guest | undefined>;
  /** When it is worth a new look; never if undefined. */
  retryMs: number | undefined;
}

/** How long it is remembered that the store could not give what a file system is made of. */
const RETRY_MS = 10_000;

/**
 * The file systems in one shadow copy. Each is opened when it is first asked for, once for all who ask. Holds nothing
 * that keeps the shadow copy from being forgotten; see {@link keep}.
 */
export class ShadowFiles {
  readonly #options: ShadowFilesOptions;
  readonly #volumes: readonly VolumeSource[];
  readonly #guestVolumes: GuestVolumes;
  readonly #devices: ReadonlyMap<string, GuestDevice>;
  readonly #looked = new Map<string, Looked>();

  /**
   * Reads the partition tables; of disks that were stored as the files that they are made of, those files' headers.
   * @throws {UmbraError} STORE_DAMAGED, NOT_FOUND when the shadow copy is forgotten
   */
  static async open(options: ShadowFilesOptions): Promise<ShadowFiles> {
    const { view, clock, find, caches } = options;
    const volumes = view.volumes.map(
      ({ name, sizeBytes }) => new VolumeSource({ name, sizeBytes, clock, open: () => view.lookInto(name) }),
    );
    try {
      const sources = new Map(volumes.map((source) => [source.name, source]));
      const ofGuest = await guestVolumes(view, sources, caches);
      return new ShadowFiles(options, volumes, ofGuest, await find(ofGuest.volumes));
    } catch (error) {
      await closeAll(volumes);
      throw error;
    }
  }

  private constructor(
    options: ShadowFilesOptions,
    volumes: readonly VolumeSource[],
    ofGuest: GuestVolumes,
    devices: readonly GuestDevice[],
  ) {
    this.#options = options;
    this.#volumes = volumes;
    this.#guestVolumes = ofGuest;
    const names = uniqueNames(devices.map(({ name }) => name));
    this.#devices = new Map(devices.map((device, index) => [names[index] ?? device.name, device]));
  }

  /** The devices in which something may be, in the order of the volumes; whether they can be read is not known yet. */
  get names(): readonly string[] {
    return [...this.#devices.keys()];
  }

  /** See GuestDevice.source; undefined if there is no such device. */
  source(name: string): ByteSource | undefined {
    return this.#devices.get(name)?.source;
  }

  /** What the device of that name holds, at once if that is known; undefined if there is none, or nothing in it. */
  guest(name: string): Eventually<Guest | undefined> {
    const device = this.#devices.get(name);
    if (device === undefined) return undefined;
    const { clock } = this.#options;
    const known = this.#looked.get(name);
    if (known !== undefined && !(known.retryMs !== undefined && known.retryMs <= clock.monotonic())) {
      return known.guest;
    }
    const guest = this.#look(name, device, () => {
      looked.retryMs = clock.monotonic() + RETRY_MS;
    });
    const looked: Looked = { guest, retryMs: undefined };
    void guest.then((found) => {
      looked.guest = found;
    });
    this.#looked.set(name, looked);
    return guest;
  }

  /** All file systems, opened, and what can't be read. */
  async guests(): Promise<readonly Guest[]> {
    const guests = await Promise.all(this.names.map(async (name) => await this.guest(name)));
    return guests.filter((guest) => guest !== undefined);
  }

  /** Let go of what the device of that name holds; it is opened again when it is asked for. */
  release(name: string): void {
    this.#looked.delete(name);
  }

  /** See ShadowCopyView.keep. */
  keep(holder: string): Eventually<() => void> {
    return this.#options.view.keep(holder);
  }

  /** See VolumeReader.willRead. */
  willRead(volume: string, offset: number, length: number): void {
    this.#volumes.find(({ name }) => name === volume)?.willRead(offset, length);
  }

  /** Stop reading for now; whoever still uses it makes it read again, if the shadow copy is still there. */
  close(): Promise<void> {
    this.#guestVolumes.close();
    return closeAll(this.#volumes);
  }

  async #look(name: string, device: GuestDevice, onTransient: () => void): Promise<Guest | undefined> {
    const { sizeBytes, problems = [] } = device;
    try {
      const content = await device.open(this.#options.caches.blocks);
      if ('nothing' in content) return undefined;
      if ('filesystem' in content) this.#options.onOpened(content.filesystem);
      return { name, sizeBytes, problems, ...content };
    } catch (error) {
      const { title, log } = this.#options;
      log.warn('files: a file system cannot be read', { shadowCopy: title, device: name, reason: messageOf(error) });
      if (!isUmbraError(error, 'FILESYSTEM_DAMAGED', 'FILESYSTEM_UNREADABLE')) onTransient();
      return { name, sizeBytes, problems, unreadable: { text: unreadableText(name, error), cause: causeOf(error) } };
    }
  }
}

async function closeAll(volumes: readonly VolumeSource[]): Promise<void> {
  await Promise.all(volumes.map((volume) => volume.close()));
}
