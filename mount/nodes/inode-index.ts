/**
 * Which index of its owner a node has, see InodeTable. Owners are `MACHINE`, `MACHINE@VERSION` and
 * `MACHINE@VERSION/DEVICE`; no name of a machine or version has an `@` or a `/`, so one can't be mistaken for another.
 */
export const MACHINE_INDEX = { directory: 0, latest: 1 } as const;

/** The lists take turns from `first`, so that none limits another. */
export const VERSION_INDEX = {
  directory: 0,
  about: 1,
  config: 2,
  volumes: 3,
  files: 4,
  byLabel: 5,
  byUuid: 6,
  first: 8,
} as const;

const LISTS = 6;

/** Of a share: its own nodes, and from `first` its snapshots, by the second in which they were made. */
export const SHARE_INDEX = { directory: 0, live: 1, snapshots: 2, first: 64 } as const;

/** The owner of the directory of all shares. */
export const SHARES_OWNER = '.shares';

export function shareOwner(name: string): string {
  return `${SHARES_OWNER}/${name}`;
}

export function versionOwner(machine: string, version: string): string {
  return `${machine}@${version}`;
}

/** The owner of the files of a guest's file system. */
export function guestOwner(machine: string, version: string, device: string): string {
  return `${versionOwner(machine, version)}/${device}`;
}

export function volumeIndex(position: number): number {
  return listIndex(0, position);
}

export function configIndex(position: number): number {
  return listIndex(1, position);
}

/** Of the text that stands in the place of a file system. */
export function unreadableIndex(position: number): number {
  return listIndex(2, position);
}

/** Of the link in `by-label/` to the device at `position`. */
export function labelIndex(position: number): number {
  return listIndex(3, position);
}

/** Of the link in `by-uuid/` to the device at `position`. */
export function uuidIndex(position: number): number {
  return listIndex(4, position);
}

/** Of the disk at `position` that is put together from its files, or of the text in its place. */
export function mergedIndex(position: number): number {
  return listIndex(5, position);
}

function listIndex(list: number, position: number): number {
  return VERSION_INDEX.first + LISTS * position + list;
}
