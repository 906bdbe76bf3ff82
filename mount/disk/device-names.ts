/** With what the tree adds to them they must fit into 255 bytes. */
const MAX_NAME_LENGTH = 200;
/** Names that stand beside those of the block devices in the tree. */
const TAKEN = ['by-label', 'by-uuid'];

/** Gives each block device of a machine a name that is unique, safe as the name of a file and readable. */
export class DeviceNames {
  readonly #taken = new Set<string>(TAKEN);

  /** `name`, or `name-2`, `name-3` when it is taken; characters that are not safe become `_`. */
  take(name: string): string {
    const safe = safeName(name);
    let unique = safe;
    for (let attempt = 2; this.#taken.has(unique); attempt++) unique = `${safe}-${attempt}`;
    this.#taken.add(unique);
    return unique;
  }
}

function safeName(name: string): string {
  const safe = name
    .slice(0, MAX_NAME_LENGTH)
    .replace(/[^A-Za-z0-9._+-]/g, '_')
    .replace(/^[.-]/, '_');
  return safe === '' || safe.endsWith('.unreadable.txt') ? `${safe}_` : safe;
}

/** The name of a partition as Linux forms it: `sda1`, and `nvme0n1p1` after a digit. */
export function partitionName(disk: string, number: number): string {
  return /\d$/.test(disk) ? `${disk}p${number}` : `${disk}${number}`;
}
