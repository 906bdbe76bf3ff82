import { isVolumeName } from '../../src/common/names.js';

const LONGEST = 60;

/** Makes names of volumes, each unique in its machine, of what vendors call their disks. */
export class VolumeNames {
  readonly #taken = new Set<string>();

  /** @param text - anything: `scsi0:1`, `SATA Controller 0 1` */
  name(text: string): string {
    const plain = text
      .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
      .replace(/^[^A-Za-z0-9]+/, '')
      .slice(0, LONGEST);
    const base = isVolumeName(plain) ? plain : 'disk';
    let name = base;
    for (let number = 2; this.#taken.has(name); number++) name = `${base}-${number}`;
    this.#taken.add(name);
    return name;
  }
}
