/** What a terminal may act on or show in a wrong place: control characters (C0, DEL, C1), line separators, and bidirectional marks. */
const UNSAFE = /[\p{Cc}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/gu;

/**
 * A name, path or link target that came from a guest, safe for a terminal. What is dangerous is shown as the bytes that
 * it has in the guest, `\x1b`; that form can be given to commands as it stands.
 */
export function printable(name: string): string {
  return name.replaceAll(UNSAFE, (character) =>
    [...Buffer.from(character, 'utf8')].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join(''),
  );
}
