import { fromCodePage, toSmallLetter } from './code-page.js';

const BASE_BYTES = 8;
export const SHORT_NAME_BYTES = 11;

/** Flags of Windows NT at offset 12 of an entry: its base or its extension is shown in small letters. */
const NT_FLAGS_OFFSET = 12;
const SMALL_BASE = 0x08;
const SMALL_EXTENSION = 0x10;

/** In the first byte it stands for 0xe5, which there would be a deleted entry. */
const KANJI_E5 = 0x05;

/** The name in 8.3 form of the directory entry at `at`, as Windows NT and Linux show it; empty if it is all blanks. */
export function shortName(slots: Buffer, at: number): string {
  const flags = slots.readUInt8(at + NT_FLAGS_OFFSET);
  const base = decode(slots, at, BASE_BYTES, (flags & SMALL_BASE) !== 0);
  const extension = decode(slots, at + BASE_BYTES, SHORT_NAME_BYTES - BASE_BYTES, (flags & SMALL_EXTENSION) !== 0);
  return extension === '' ? base : `${base}.${extension}`;
}

/** The checksum by which long names refer to the short one. FAT specification, section 7.2. */
export function shortNameChecksum(slots: Buffer, at: number): number {
  let sum = 0;
  for (let index = at; index < at + SHORT_NAME_BYTES; index++) {
    sum = (((sum & 1) << 7) + (sum >> 1) + slots.readUInt8(index)) & 0xff;
  }
  return sum;
}

/** A volume's label, which has the bytes of a short name without its dot. */
export function labelText(slots: Buffer, at: number): string {
  return decode(slots, at, SHORT_NAME_BYTES, false);
}

function decode(slots: Buffer, at: number, length: number, isSmall: boolean): string {
  let end = at + length;
  while (end > at && slots[end - 1] === 0x20) end--;
  let text = '';
  for (let index = at; index < end; index++) {
    const byte = slots.readUInt8(index);
    const isFirst = index === at && length !== SHORT_NAME_BYTES - BASE_BYTES;
    const character = fromCodePage(isFirst && byte === KANJI_E5 ? 0xe5 : byte);
    text += isSmall ? toSmallLetter(character) : character;
  }
  return text;
}
