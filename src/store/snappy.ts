/** No input expands more: a copy of 64 bytes takes two bytes or three. */
const MOST_EXPANSION = 32;

/**
 * Decompress Snappy. Umbra has LevelDB compress nothing, but LevelDB's repair compresses the tables that it writes.
 * @returns undefined for bytes that are not Snappy
 */
export function decompressSnappy(input: Buffer): Buffer | undefined {
  const header = readLength(input);
  if (header === undefined || header.length > input.length * MOST_EXPANSION) return undefined;
  const output = Buffer.alloc(header.length);
  let at = header.next;
  let filled = 0;
  while (at < input.length) {
    const element = readElement(input, at);
    if (element === undefined || filled + element.length > output.length) return undefined;
    if (element.distance === 0) {
      if (element.next + element.length > input.length) return undefined;
      input.copy(output, filled, element.next, element.next + element.length);
      at = element.next + element.length;
    } else {
      if (element.distance > filled) return undefined;
      copyWithin(output, filled, element.distance, element.length);
      at = element.next;
    }
    filled += element.length;
  }
  return filled === output.length ? output : undefined;
}

interface Element {
  readonly length: number;
  /** How far back a copy begins; 0 for a literal, whose bytes begin at `next`. */
  readonly distance: number;
  readonly next: number;
}

function readLength(input: Buffer): { readonly length: number; readonly next: number } | undefined {
  let length = 0;
  for (let at = 0; at < Math.min(5, input.length); at++) {
    const byte = input[at] ?? 0;
    length += (byte & 0x7f) * 2 ** (7 * at);
    if (byte < 0x80) return { length, next: at + 1 };
  }
  return undefined;
}

function readElement(input: Buffer, at: number): Element | undefined {
  const tag = input[at] ?? 0;
  const size = tag >> 2;
  // Literals of more than 60 bytes have their length in up to four bytes; copies their distance in one, two or four.
  const extra = [size < 60 ? 0 : size - 59, 1, 2, 4][tag & 3] ?? 0;
  const next = at + 1 + extra;
  if (next > input.length) return undefined;
  const number = extra === 0 ? 0 : input.readUIntLE(at + 1, extra);
  if ((tag & 3) === 0) return { length: (extra === 0 ? size : number) + 1, distance: 0, next };
  if ((tag & 3) === 1) return copyOf({ length: (size & 7) + 4, distance: ((tag >> 5) << 8) + number, next });
  return copyOf({ length: size + 1, distance: number, next });
}

/** A distance of 0 would pass for a literal. */
function copyOf(element: Element): Element | undefined {
  return element.distance === 0 ? undefined : element;
}

/** Byte by byte: a copy may reach into what it has just written. */
function copyWithin(output: Buffer, at: number, distance: number, length: number): void {
  for (let index = at; index < at + length; index++) output[index] = output[index - distance] ?? 0;
}
