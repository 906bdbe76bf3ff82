import type { KvRange } from './kv.js';

/** Bytewise order, a prefix before what it begins: negative, zero or positive. */
export function compareKeys(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b);
}

/** True if `key` lies between the bounds of `range`. */
export function inRange(key: Uint8Array, range: KvRange): boolean {
  if (range.gte !== undefined && compareKeys(key, range.gte) < 0) return false;
  if (range.gt !== undefined && compareKeys(key, range.gt) <= 0) return false;
  if (range.lte !== undefined && compareKeys(key, range.lte) > 0) return false;
  return range.lt === undefined || compareKeys(key, range.lt) < 0;
}
