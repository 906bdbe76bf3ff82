import { readFile } from 'node:fs/promises';
import { isVolumeName } from '../../src/common/names.js';
import { writeDurably } from '../../src/system/durable-file.js';
import { record, text } from '../json-values.js';

/** A block device of this machine. */
export interface GuestDevice {
  /** `sda`: which disk that is may be another after each start. */
  readonly kernelName: string;
  /** The same after each start; undefined if it says nothing of itself. */
  readonly identity: string | undefined;
}

/** Disks come and go; those that went long ago may be forgotten. */
const MAX_NAMES = 1000;

/** What the volumes of this machine are called: as the kernel called each disk when it was seen first. */
export class GuestNames {
  readonly #file: string;
  readonly #before: string;
  /** By identity. */
  readonly #names: Map<string, string>;
  /** Given out this time. */
  readonly #taken = new Set<string>();

  private constructor(file: string, before: string, names: Map<string, string>) {
    this.#file = file;
    this.#before = before;
    this.#names = names;
  }

  /** What can't be read is forgotten: names are found anew, and what they hold is compared. */
  static async read(file: string): Promise<GuestNames> {
    const before = await readFile(file, 'utf8').catch(() => '');
    const names = new Map<string, string>();
    for (const [identity, name] of entriesOf(before)) {
      const known = text(name);
      if (known !== undefined && isVolumeName(known)) names.set(identity, known);
    }
    return new GuestNames(file, before, names);
  }

  /** @param present - all devices that are there now */
  nameOf({ kernelName, identity }: GuestDevice, present: readonly GuestDevice[]): string {
    const known = identity === undefined ? undefined : this.#names.get(identity);
    const name = known ?? this.#freeName(kernelName, present);
    this.#taken.add(name);
    if (identity !== undefined) this.#names.set(identity, name);
    return name;
  }

  /** Write them down, if they are others than before. @throws system errors */
  async keep(): Promise<void> {
    const newest = [...this.#names].slice(-MAX_NAMES);
    const now = `${JSON.stringify(Object.fromEntries(newest))}\n`;
    if (now !== this.#before) await writeDurably(this.#file, now);
  }

  /** A name of a disk that is not there now is free again. */
  #freeName(kernelName: string, present: readonly GuestDevice[]): string {
    const plain = kernelName.replaceAll(/[^A-Za-z0-9._-]+/g, '-').slice(0, 60);
    const wanted = isVolumeName(plain) ? plain : 'disk';
    const kept = present.flatMap(({ identity }) => (identity === undefined ? [] : (this.#names.get(identity) ?? [])));
    let name = wanted;
    for (let number = 2; this.#taken.has(name) || kept.includes(name); number++) name = `${wanted}-${number}`;
    for (const [identity, other] of this.#names) if (other === name) this.#names.delete(identity);
    return name;
  }
}

function entriesOf(json: string): [string, unknown][] {
  try {
    return Object.entries(record(JSON.parse(json)));
  } catch {
    return [];
  }
}
