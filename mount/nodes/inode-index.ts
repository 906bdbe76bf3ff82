/**
 * Which index of its owner a node has, see InodeTable. Owners are `MACHINE` and `MACHINE@VERSION`;
 * no name has an `@`, so one can't be mistaken for another.
 */
export const MACHINE_INDEX = { directory: 0, latest: 1 } as const;

/** Volumes and configuration files take turns from `first`, so that neither list limits the other. */
export const VERSION_INDEX = { directory: 0, about: 1, config: 2, volumes: 3, first: 4 } as const;

export function versionOwner(machine: string, version: string): string {
  return `${machine}@${version}`;
}

export function volumeIndex(position: number): number {
  return VERSION_INDEX.first + 2 * position;
}

export function configIndex(position: number): number {
  return VERSION_INDEX.first + 2 * position + 1;
}
