import type { Filesystem } from '../../mount/filesystems/filesystem.js';
import { systemClock } from '../../src/common/clock.js';
import { OpenedVersion, type FilesContext } from '../../src/files/opened-version.js';
import type { FilesLab } from './files-lab.js';

/** What operations on files work with, over a lab's store; `filesystems` are what every shadow copy holds. */
export function guestContext(lab: FilesLab, filesystems: Readonly<Record<string, Filesystem>>): FilesContext {
  const guests = Object.entries(filesystems).map(([name, filesystem]) => ({
    name,
    sizeBytes: filesystem.sizeBytes,
    filesystem,
    problems: [],
  }));
  return {
    store: lab.memory.store,
    verdicts: lab.verdicts,
    clock: systemClock,
    open: () =>
      Promise.resolve({
        names: guests.map(({ name }) => name),
        guest: (name) => Promise.resolve(guests.find((guest) => guest.name === name)),
        guests: () => Promise.resolve(guests),
        close: () => Promise.resolve(),
      }),
  };
}

/** A shadow copy of the lab's machine, opened, in which a device holds `filesystem`. */
export function openGuest(lab: FilesLab, version: string, filesystem: Filesystem): Promise<OpenedVersion> {
  const listing = lab.memory.store.catalog.find('m1', version);
  return OpenedVersion.open(guestContext(lab, { vda: filesystem }), listing, 'a test');
}
