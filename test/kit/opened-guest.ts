import type { Filesystem } from '../../mount/filesystems/filesystem.js';
import { causeOf } from '../../mount/disk/unreadable-cause.js';
import { systemClock } from '../../src/common/clock.js';
import type { Guest, GuestFiles } from '../../src/files/guest-files.js';
import { OpenedVersion, type FilesContext } from '../../src/files/opened-version.js';
import type { FilesLab } from './files-lab.js';

/** What the devices of a shadow copy hold; an error for what can't be opened. */
export type GuestDevices = Readonly<Record<string, Filesystem | Error>>;

/** The file systems of one shadow copy: opened when they are asked for, kept until they are released. */
export class FakeGuestFiles implements GuestFiles {
  readonly names: readonly string[];
  /** Devices that are open. */
  readonly open = new Set<string>();
  readonly #devices: GuestDevices;
  readonly #onOpen: () => void;

  constructor(devices: GuestDevices, onOpen: () => void) {
    this.names = Object.keys(devices);
    this.#devices = devices;
    this.#onOpen = onOpen;
  }

  guest(name: string): Promise<Guest | undefined> {
    const filesystem = this.#devices[name];
    if (!this.open.has(name)) this.#onOpen();
    if (filesystem === undefined) return Promise.resolve(undefined);
    this.open.add(name);
    const base = { name, sizeBytes: 0, problems: [] };
    if (filesystem instanceof Error)
      return Promise.resolve({ ...base, unreadable: { text: filesystem.message, cause: causeOf(filesystem) } });
    return Promise.resolve({ ...base, filesystem });
  }

  async guests(): ReturnType<GuestFiles['guests']> {
    const guests = await Promise.all(this.names.map((name) => this.guest(name)));
    return guests.filter((guest) => guest !== undefined);
  }

  source(): undefined {
    return undefined;
  }

  release(name: string): void {
    this.open.delete(name);
  }

  close(): Promise<void> {
    this.open.clear();
    return Promise.resolve();
  }
}

/** What operations on files work with, over a lab's store; opening a device reads the first block of its volume. */
export class GuestLab {
  readonly context: FilesContext;
  /** What was opened, by the name of the shadow copy. */
  readonly opened = new Map<string, FakeGuestFiles>();

  constructor(lab: FilesLab, devicesOf: (version: string) => GuestDevices) {
    this.context = {
      store: lab.memory.store,
      verdicts: lab.verdicts,
      clock: systemClock,
      open: ({ name }, onRead) => {
        const files = new FakeGuestFiles(devicesOf(name), () => {
          onRead({ volume: 'vda', offset: 0, length: 4096 });
        });
        this.opened.set(name, files);
        return Promise.resolve(files);
      },
    };
  }

  /** `SHADOW-COPY:DEVICE` of all that is open. */
  get open(): string[] {
    return [...this.opened].flatMap(([name, { open }]) => [...open].map((device) => `${name}:${device}`));
  }
}

/** A shadow copy of the lab's machine, opened, in which a device holds `filesystem`. */
export function openGuest(lab: FilesLab, version: string, filesystem: Filesystem): Promise<OpenedVersion> {
  const { context } = new GuestLab(lab, () => ({ vda: filesystem }));
  return OpenedVersion.open(context, context.store.catalog.find('m1', version), 'a test');
}
