/**
 * Names of files are bytes in most guests, and strings in the mounted tree and in Node.js. A name that is valid UTF-8
 * is shown as it is. A byte that is not part of valid UTF-8, a slash or a NUL is shown as `\xHH`, and so is the
 * backslash of a name that has such a sequence of its own: every name has one escaped form, and that leads back to its bytes.
 */
const SEQUENCE = /\\x[0-9a-f]{2}/;
const SPECIAL = /[\\/\0]/;
const SEQUENCES = /\\x([0-9a-f]{2})/g;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The escaped form of a name. */
export function escapeName(bytes: Uint8Array): string {
  return escapeBytes(bytes, true);
}

/** The escaped form of a link's target: its slashes stay. */
export function escapeTarget(bytes: Uint8Array): string {
  return escapeBytes(bytes, false);
}

/** The bytes that an escaped name or target stands for. */
export function unescapeName(name: string): Buffer {
  if (!SEQUENCE.test(name)) return Buffer.from(name, 'utf8');
  const parts: Buffer[] = [];
  let end = 0;
  for (const match of name.matchAll(SEQUENCES)) {
    parts.push(Buffer.from(name.slice(end, match.index), 'utf8'), Buffer.from([parseInt(match[1] ?? '', 16)]));
    end = match.index + match[0].length;
  }
  parts.push(Buffer.from(name.slice(end), 'utf8'));
  return Buffer.concat(parts);
}

/** The escaped form of a name in UTF-16 code units, as NTFS, FAT and exFAT have it: unpaired surrogates are escaped. */
export function escapeUtf16(name: string): string {
  const plain = name.isWellFormed() && !SPECIAL.test(name);
  return plain ? name : escapeName(wtf8(name));
}

/** The UTF-16 name that an escaped one stands for. */
export function unescapeUtf16(name: string): string {
  if (!SEQUENCE.test(name)) return name;
  return fromWtf8(unescapeName(name));
}

function escapeBytes(bytes: Uint8Array, isName: boolean): string {
  const text = decodeUtf8(bytes);
  if (text === undefined) return escapeInvalid(bytes, isName);
  return SPECIAL.test(text) ? escapeText(text, isName) : text;
}

/** Escape valid text. */
function escapeText(text: string, isName: boolean): string {
  // A backslash is escaped where what follows would make it a sequence.
  const escaped = text.replace(/\\(?=x[0-9a-f]{2})/g, '\\x5c').replaceAll('\0', '\\x00');
  return isName ? escaped.replaceAll('/', '\\x2f') : escaped;
}

/** Escape byte by byte what is not all valid UTF-8. */
function escapeInvalid(bytes: Uint8Array, isName: boolean): string {
  let escaped = '';
  for (let at = 0; at < bytes.length;) {
    const length = sequenceLength(bytes, at);
    const byte = bytes[at] ?? 0;
    if (length === 0 || byte === 0 || (byte === 0x2f && isName) || (byte === 0x5c && isSequence(bytes, at))) {
      escaped += hex(byte);
      at += 1;
    } else {
      escaped += decodeUtf8(bytes.subarray(at, at + length)) ?? '';
      at += length;
    }
  }
  return escaped;
}

function isSequence(bytes: Uint8Array, at: number): boolean {
  return SEQUENCE.test(Buffer.from(bytes.subarray(at, at + 4)).toString('latin1'));
}

function hex(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, '0')}`;
}

/** How many bytes the character at `at` has; 0 if they are not valid UTF-8. */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const lead = bytes[at] ?? 0;
  const length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
  if (length < 2) return length;
  return decodeUtf8(bytes.subarray(at, at + length)) === undefined || at + length > bytes.length ? 0 : length;
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** UTF-8, with unpaired surrogates as three bytes each. */
function wtf8(text: string): Buffer {
  const parts: Buffer[] = [];
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    if (code >= 0xd800 && code <= 0xdfff) {
      parts.push(Buffer.from([0xe0 | (code >> 12), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f)]));
    } else parts.push(Buffer.from(character, 'utf8'));
  }
  return Buffer.concat(parts);
}

function fromWtf8(bytes: Buffer): string {
  let text = '';
  for (let at = 0; at < bytes.length;) {
    const length = sequenceLength(bytes, at);
    const [lead = 0, second = 0, third = 0] = bytes.subarray(at, at + 3);
    if (length > 0) text += bytes.toString('utf8', at, at + length);
    else if (lead === 0xed && at + 3 <= bytes.length)
      text += String.fromCharCode(((lead & 0x0f) << 12) | ((second & 0x3f) << 6) | (third & 0x3f));
    else text += '\ufffd';
    at += length > 0 ? length : lead === 0xed ? 3 : 1;
  }
  return text;
}
