/** The upper half of code page 437, the first PCs' characters: Linux' default for short names. */
const UPPER_HALF =
  'ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0';

/** The character of a byte in code page 437. */
export function fromCodePage(byte: number): string {
  return byte < 0x80 ? String.fromCharCode(byte) : UPPER_HALF.charAt(byte - 0x80);
}

/** The small letter of a character, where code page 437 has it. */
export function toSmallLetter(character: string): string {
  const small = character.toLowerCase();
  return small < '\x80' || UPPER_HALF.includes(small) ? small : character;
}
