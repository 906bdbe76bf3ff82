/**
 * The hash that directories and attributes are indexed by ("XFS Algorithms & Data Structures", directory hash).
 * @returns 32 bits, unsigned
 */
export function nameHash(name: Uint8Array): number {
  let hash = 0;
  let at = 0;
  for (; at + 4 <= name.length; at += 4) {
    hash =
      (byte(name, at) << 21) ^
      (byte(name, at + 1) << 14) ^
      (byte(name, at + 2) << 7) ^
      byte(name, at + 3) ^
      rotate(hash, 28);
  }
  const left = name.length - at;
  if (left === 3) hash = (byte(name, at) << 14) ^ (byte(name, at + 1) << 7) ^ byte(name, at + 2) ^ rotate(hash, 21);
  if (left === 2) hash = (byte(name, at) << 7) ^ byte(name, at + 1) ^ rotate(hash, 14);
  if (left === 1) hash = byte(name, at) ^ rotate(hash, 7);
  return hash >>> 0;
}

/** The hash where case is ignored: of the small letters, byte by byte. */
export function caselessHash(name: Uint8Array): number {
  let hash = 0;
  for (const letter of name) hash = smallLetter(letter) ^ rotate(hash, 7);
  return hash >>> 0;
}

/** True if two names are the same but for the case of their letters. */
export function isSameCaseless(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((letter, at) => smallLetter(letter) === smallLetter(byte(other, at)));
}

/** Capital letters of ASCII and Latin-1 made small. */
function smallLetter(letter: number): number {
  const isCapital =
    (letter >= 0x41 && letter <= 0x5a) || (letter >= 0xc0 && letter <= 0xd6) || (letter >= 0xd8 && letter <= 0xde);
  return isCapital ? letter + 0x20 : letter;
}

function byte(name: Uint8Array, at: number): number {
  return name[at] ?? 0;
}

function rotate(hash: number, bits: number): number {
  return (hash << bits) | (hash >>> (32 - bits));
}
