import type { KvTables } from './kv.js';

/** A line for each table: ` NUMBER:BYTES['FIRST' @ SEQUENCE : TYPE .. 'LAST' @ SEQUENCE : TYPE]`. */
const LINE = /^ (\d+):\d+\[(?:'(.*)' @ \d+ : \d+ \.\. '(.*)' @ \d+ : \d+\])?/gm;
const ESCAPED = /\\x([0-9a-f]{2})/g;

/**
 * What LevelDB says of its tables (the property `leveldb.sstables`). A byte of a key that can't be printed is `\xNN`, while a backslash is
 * itself: keys that have one are left out.
 */
export function parseTables(listed: string): Omit<KvTables, 'directory'> {
  const names: string[] = [];
  const ranges = new Map<string, { first: Buffer; last: Buffer }>();
  for (const [, number = '', from, to] of listed.matchAll(LINE)) {
    const name = `${number.padStart(6, '0')}.ldb`;
    names.push(name);
    const [first, last] = [keyOf(from), keyOf(to)];
    if (first !== undefined && last !== undefined) ranges.set(name, { first, last });
  }
  return { names, ranges };
}

/** Undefined where it is not certain what the key is. */
function keyOf(text: string | undefined): Buffer | undefined {
  if (text === undefined || text.replaceAll(ESCAPED, '').includes('\\')) return undefined;
  const plain = text.replaceAll(ESCAPED, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(plain, 'latin1');
}
