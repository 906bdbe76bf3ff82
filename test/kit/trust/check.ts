import { deepEqual, equal } from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Umbra } from '../umbra-program.js';
import { contentDigest, type Content } from './machine.js';
import type { Model, Version } from './model.js';

/** What all listed shadow copies hold, read through a mount: `<mountPoint>/<machine>/<name>/volumes/*.raw`. */
export function readMounted(mountPoint: string, versions: readonly Version[]): Map<Version, Content> {
  return new Map(versions.map((version) => [version, readVersion(mountPoint, version)]));
}

function readVersion(mountPoint: string, version: Version): Content {
  const directory = volumesOf(mountPoint, version);
  const names = readdirSync(directory).sort();
  return Object.fromEntries(
    names.map((name) => [name.replace(/\.raw$/, ''), contentDigest(readFileSync(join(directory, name)))]),
  );
}

/** Read one volume through a mount, with other work going on meanwhile. */
export async function readMountedVolume(mountPoint: string, version: Version, volume: string): Promise<string> {
  return contentDigest(await readFile(join(volumesOf(mountPoint, version), `${volume}.raw`)));
}

function volumesOf(mountPoint: string, version: Version): string {
  return join(mountPoint, ...version.split('@'), 'volumes');
}

/** The names of what is listed. */
export async function listedVersions(umbra: Umbra): Promise<Version[]> {
  return (await umbra.list()).map(({ machine, shadowCopy }) => `${machine}@${shadowCopy}`);
}

/**
 * Every promise about a store that can be seen from outside: what is listed is what the model says, holds the very
 * bytes, in a mount and for verification, and collecting takes none of it away. It leaves a mount at `mountPoint`.
 * @throws AssertionError
 */
export async function checkStore(umbra: Umbra, model: Model, mountPoint: string): Promise<void> {
  await makeSureOfMount(umbra, mountPoint);
  const versions = await listedVersions(umbra);
  model.settle(readMounted(mountPoint, versions));
  await checkVerifies(umbra);
  await umbra.gc();
  // The kernel has the files of this mount in its cache: only the server can say what is left of them.
  await checkVerifies(umbra);
  deepEqual(await listedVersions(umbra), versions);
}

/** A server that lives still has its mount; what a dead one left there is no hindrance. */
async function makeSureOfMount(umbra: Umbra, mountPoint: string): Promise<void> {
  const mounts = umbra.serverPid() === undefined ? [] : (await umbra.status()).mounts;
  if (!mounts.some((mount) => mount.mountPoint === mountPoint)) await umbra.mount(mountPoint);
}

/** @throws AssertionError if verification finds damage */
export async function checkVerifies(umbra: Umbra): Promise<void> {
  const { code, found } = await umbra.verify();
  deepEqual(found.damagedObjects, []);
  deepEqual(found.damaged, []);
  equal(code, 0);
}

/**
 * Make the index again and see that nothing changed: what was forgotten stays so, what is listed is whole.
 * @throws AssertionError
 */
export async function checkRebuild(umbra: Umbra, model: Model, mountPoint: string): Promise<void> {
  const before = await listedVersions(umbra);
  await umbra.result('unmount', mountPoint, '--force');
  await umbra.rebuild();
  deepEqual((await listedVersions(umbra)).sort(), before.sort(), 'rebuilding changed what is listed');
  await umbra.mount(mountPoint);
  model.settle(readMounted(mountPoint, before));
  await checkVerifies(umbra);
}
