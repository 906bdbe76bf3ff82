import type { Unreadable } from '../block-device.js';
import type { Probe } from '../probe.js';

/** What something is that no reader of ours reads. */
export interface Recognised extends Unreadable {
  /** As `blkid` calls it, where it knows it. */
  readonly type: string;
  readonly label?: string;
  /** As `blkid` prints it. */
  readonly uuid?: string;
}

/** A kind of content, and how it is known. */
export interface Kind extends Unreadable {
  readonly type: string;
  /** It is there if one of these is. */
  readonly magics: readonly Magic[];
  /** What must be true besides. */
  readonly check?: (probe: Probe) => Promise<boolean>;
  readonly label?: Field;
  readonly uuid?: Field;
  /** True if label and identifier count from where the magic was found. */
  readonly fieldsFromMagic?: boolean;
}

/** Bytes that stand at an offset, from the end if it is negative; in Latin-1. */
export type Magic = readonly [offset: number, magic: string];

/** Where a label or an identifier stands, and in which form. */
export interface Field {
  readonly at: number;
  /** In bytes; of a UUID 16 are read. */
  readonly length?: number;
  readonly form?: 'utf8' | 'utf16le' | 'uuid';
}

/** Of a kind of which the kernel of Linux is known to read it. */
export function mountable(name: string, type: string): Pick<Unreadable, 'hint' | 'commands'> {
  return {
    hint: `Umbra does not read ${name}. Linux does, where its module for ${type} is installed:`,
    commands: [`mount -t ${type} -o ro LOOP /mnt`],
  };
}
