import { readFrameHeader } from '../../src/codec/frame.js';
import type { ObjectType } from '../../src/codec/formats.js';
import { objectKey } from '../../src/store/keys.js';
import type { KvStore } from '../../src/store/kv.js';
import { findSequences } from '../../src/store/object-index.js';
import type { Random } from './random.js';
import type { Databases } from './test-store.js';

/** An object in a store. */
export interface StoredObject {
  readonly type: ObjectType;
  readonly digest: Uint8Array;
  readonly key: Uint8Array;
}

/** All objects of a type, in ingest order. */
export async function objectsOf(objects: KvStore, type: ObjectType): Promise<StoredObject[]> {
  const found: StoredObject[] = [];
  for await (const [key, frame] of objects.entries()) {
    const header = readFrameHeader(frame);
    if (header.type === type) found.push({ type, key, digest: Uint8Array.from(header.digest) });
  }
  return found;
}

/** Replace the value of a key by what `change` makes of it; undefined deletes it. */
export async function damageValue(
  kv: KvStore,
  key: Uint8Array,
  change: (value: Buffer) => Buffer | undefined,
): Promise<void> {
  const value = change(Buffer.from((await kv.get(key)) ?? []));
  await kv.write([value === undefined ? { type: 'del', key } : { type: 'put', key, value }], { sync: true });
}

/** Damage the frame of an object in one of several ways. */
export async function damageObject(
  random: Random,
  { objects, meta }: Databases,
  { type, digest }: StoredObject,
): Promise<void> {
  const [sequence = -1] = await findSequences(meta, type, [digest]);
  const part = random.below(6);
  await damageValue(objects, objectKey(sequence), (frame) => {
    if (part === 4) return frame.subarray(0, random.below(frame.length));
    if (part === 5) return undefined;
    // Header, digest, body or anywhere.
    const [from, to] = [
      [0, 16],
      [16, 48],
      [56, frame.length],
      [0, frame.length],
    ][part] ?? [0, 1];
    return flipBit(random, frame, from, to);
  });
}

/** `bytes` with one bit between `from` and `to` flipped. */
export function flipBit(random: Random, bytes: Buffer, from = 0, to = bytes.length): Buffer {
  const at = random.between(from, Math.max(from, to - 1));
  bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
  return bytes;
}
