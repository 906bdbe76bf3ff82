/** How the volume compares names without regard to case: each UTF-16 unit's upper case. */
export type UpcaseTable = Uint16Array;

const UNITS = 65_536;

/** The table in `$UpCase`: as many units as it has; what is beyond is its own upper case. */
export function parseUpcase(bytes: Buffer): UpcaseTable {
  const table = identity();
  const units = Math.min(UNITS, Math.floor(bytes.length / 2));
  // Umbra runs on x64 alone, which has the volume's byte order.
  Buffer.from(table.buffer).set(bytes.subarray(0, 2 * units));
  return table;
}

/** What a volume's table most likely is, where it can't be read. */
export function commonUpcase(): UpcaseTable {
  const table = identity();
  for (let unit = 0; unit < UNITS; unit++) {
    const upper = String.fromCharCode(unit).toUpperCase();
    if (upper.length === 1) table[unit] = upper.charCodeAt(0);
  }
  return table;
}

function identity(): UpcaseTable {
  const table = new Uint16Array(UNITS);
  for (let unit = 0; unit < UNITS; unit++) table[unit] = unit;
  return table;
}

/** A name to look for. */
export interface SearchKey {
  readonly units: Uint16Array;
  readonly upper: Uint16Array;
}

export function searchKey(name: string, upcase: UpcaseTable): SearchKey {
  const units = new Uint16Array(name.length);
  const upper = new Uint16Array(name.length);
  for (let index = 0; index < name.length; index++) {
    const unit = name.charCodeAt(index);
    units[index] = unit;
    upper[index] = upcase[unit] ?? unit;
  }
  return { units, upper };
}

/**
 * The order of names in a directory: by upper case, and names that differ in case alone by their units.
 * @param bytes UTF-16 of `length` units from `offset`
 * @returns negative when the name of `bytes` comes before the key, 0 when they are the same
 */
export function collate(bytes: Buffer, offset: number, length: number, key: SearchKey, upcase: UpcaseTable): number {
  const order = collateCaseless(bytes, offset, length, key, upcase);
  if (order !== 0) return order;
  for (let index = 0; index < length; index++) {
    const difference = unitAt(bytes, offset, index) - (key.units[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** The same without regard to case: 0 for names that Windows takes for the same. */
export function collateCaseless(
  bytes: Buffer,
  offset: number,
  length: number,
  key: SearchKey,
  upcase: UpcaseTable,
): number {
  const common = Math.min(length, key.upper.length);
  for (let index = 0; index < common; index++) {
    const difference = (upcase[unitAt(bytes, offset, index)] ?? 0) - (key.upper[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return length - key.upper.length;
}

function unitAt(bytes: Buffer, offset: number, index: number): number {
  return (bytes[offset + 2 * index] ?? 0) | ((bytes[offset + 2 * index + 1] ?? 0) << 8);
}
