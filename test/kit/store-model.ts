import type { Test } from 'tap';

import { isEmptyDigest } from '../../src/codec/digest.js';
import { ObjectType } from '../../src/codec/formats.js';
import { parseTombstone } from '../../src/store/records.js';
import { objectName, sequenceOfObjectKey } from '../../src/store/keys.js';
import { readFrameHeader } from '../../src/codec/frame.js';
import { FrameSeal, openStored } from '../../src/codec/frame-seal.js';
import type { Listing } from '../../src/store/catalog.js';
import type { Store } from '../../src/store/store.js';
import { decodeInner, decodeLeaf, regionCount, treeHeight } from '../../src/tree/node.js';
import type { Databases } from './test-store.js';
import { readBack } from './test-store.js';

/** A context for operations that nobody watches or ends. */
export const QUIET = { signal: new AbortController().signal, progress: (): void => undefined };

export function keyOf({ machine, name }: { readonly machine: string; readonly name: string }): string {
  return `${machine}@${name}`;
}

/** The listing `MACHINE@NAME`, or of the latest shadow copy when there is no name. */
export function listingOf(store: Store, machine: string, name = 'latest'): Listing {
  return store.catalog.find(machine, name);
}

/** The names of all objects that listed shadow copies and replicas refer to. */
export async function reachable(store: Store): Promise<Set<string>> {
  const names = new Set<string>();
  for (const listing of [...store.catalog.all(), ...store.catalog.replicas()]) {
    names.add(objectName(ObjectType.record, listing.record));
    for (const volume of (await store.record(listing)).volumes) {
      if (!isEmptyDigest(volume.root))
        await addTree(store, names, volume.root, treeHeight(regionCount(volume.sizeBytes)));
    }
  }
  return names;
}

async function addTree(store: Store, names: Set<string>, digest: Uint8Array, level: number): Promise<void> {
  const type = level === 0 ? ObjectType.leaf : ObjectType.inner;
  const name = objectName(type, digest);
  if (names.has(name)) return;
  names.add(name);
  const node = await store.reader.read(type, digest);
  if (level > 0) {
    for (const child of decodeInner(node, level))
      if (child !== undefined) await addTree(store, names, child, level - 1);
  } else {
    for (const chunk of decodeLeaf(node)) names.add(objectName(ObjectType.chunk, chunk.digest));
  }
}

/** The objects on disk: by name, their sequence numbers. */
export async function storedObjects({ objects, keys }: Databases): Promise<Map<string, number[]>> {
  const seal = keys && new FrameSeal(keys);
  const stored = new Map<string, number[]>();
  for await (const [key, frame] of objects.entries()) {
    const { type, digest } = readFrameHeader(openStored(frame, seal));
    const name = objectName(type, digest);
    stored.set(name, [...(stored.get(name) ?? []), sequenceOfObjectKey(key) ?? -1]);
  }
  return stored;
}

/**
 * Check that the store holds what its shadow copies refer to, each object once, a copy of its settings, tombstones of
 * records that are still there, and nothing else.
 */
export async function assertNoGarbage(t: Test, store: Store, databases: Databases): Promise<void> {
  const stored = await storedObjects(databases);
  const expected = await reachable(store);
  const garbage = [...stored.keys()].filter(
    (name) => !expected.has(name) && !name.startsWith(`${ObjectType.settings}`),
  );
  t.same(
    garbage.filter((name) => !name.startsWith(`${ObjectType.tombstone}`)),
    [],
    'nothing unreachable is left',
  );
  t.same(
    [...expected].filter((name) => !stored.has(name)),
    [],
    'everything reachable is there',
  );
  t.same(
    [...stored].filter(([, sequences]) => sequences.length > 1),
    [],
    'nothing is there twice',
  );
  t.equal(
    [...stored.keys()].filter((name) => name.startsWith(`${ObjectType.settings}`)).length,
    1,
    'the settings are there once',
  );
}

/** The names of the records that tombstones in the store name. */
export async function tombstoned(databases: Databases, store: Store): Promise<string[]> {
  const names: string[] = [];
  for (const name of (await storedObjects(databases)).keys()) {
    if (!name.startsWith(`${ObjectType.tombstone}`)) continue;
    const digest = Buffer.from(name.slice(1), 'hex');
    names.push(
      objectName(ObjectType.record, parseTombstone(await store.reader.read(ObjectType.tombstone, digest)).record),
    );
  }
  return names;
}

/** Check that every listed shadow copy has the content that `models` has under its key. */
export async function assertContents(t: Test, store: Store, models: ReadonlyMap<string, Buffer>): Promise<void> {
  for (const listing of store.catalog.all()) {
    const model = models.get(keyOf(listing));
    if (model !== undefined && !(await readBack(store, listing)).equals(model))
      t.fail(`${keyOf(listing)} is not what it was`);
  }
  const listed = new Set([...store.catalog.all()].map(keyOf));
  t.same(
    [...models.keys()].filter((key) => !listed.has(key)),
    [],
    'everything is listed',
  );
}
