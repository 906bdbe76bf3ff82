import { BLOCK_BYTES, ObjectType } from '../../src/codec/formats.js';
import { isEmptyDigest } from '../../src/codec/digest.js';
import { isUmbraError, messageOf } from '../../src/common/errors.js';
import { objectName } from '../../src/store/keys.js';
import type { Listing } from '../../src/store/catalog.js';
import type { Store } from '../../src/store/store.js';
import { decodeInner, decodeLeaf, treeHeight } from '../../src/tree/node.js';
import { blockBytes, blockIndex, REGIONS, type Content } from './content.js';
import type { ModelMachine, Point } from './model-machine.js';
import type { CheckedWorld, Outcome } from './world-parts.js';

const HOUR_MS = 3_600_000;
/** An upload that began before damage was found may still have trusted what was damaged. */
const LONGEST_UPLOAD_MS = 12 * HOUR_MS;

/** An object could not be read. */
class Unreadable extends Error {
  readonly object: string;

  constructor(object: string, cause: unknown) {
    super(messageOf(cause), { cause });
    this.object = object;
  }
}

/** Read a point back and compare each block of it. */
export async function checkPoint(world: CheckedWorld, machine: ModelMachine, point: Point): Promise<void> {
  const { life } = world;
  if (life?.isAlive !== true) return;
  const outcome = await world.pump(
    readPoint(life.store, () => life.store.catalog.find(machine.name, point.name), point),
  );
  if (outcome === undefined || world.life !== life) return;
  // It may have been deleted while it was read, or replaced.
  world.match(life, machine);
  if (machine.has(point)) judge(world, machine, point, outcome);
}

/**
 * Read the replica of a machine after a while, as somebody does who has it open: it may have been replaced, and what it left may have been
 * collected.
 */
export function holdReplica(world: CheckedWorld, machine: ModelMachine, forMs: number, enqueue: Enqueue): void {
  const { life } = world;
  const point = machine.replica;
  const listing = life?.isServing === true ? life.store.catalog.replica(machine.name) : undefined;
  if (life === undefined || point === undefined || listing?.name !== point.name) return;
  const giveBack = life.store.leases.take(listing, 'somebody who reads it slowly');
  const readAndClose = async (): Promise<void> => {
    if (world.life === life && life.isServing) {
      const outcome = await world.pump(readPoint(life.store, () => listing, point));
      if (outcome !== undefined) judge(world, machine, point, outcome);
    }
    giveBack();
  };
  world.clock.after(forMs, () => {
    enqueue(readAndClose);
  });
}

type Enqueue = (task: () => Promise<void>) => void;

function judge(world: CheckedWorld, { name, points }: ModelMachine, point: Point, outcome: NonNullable<Read>): void {
  const invariant = points.includes(point) ? 'exact bytes' : 'exact bytes of replicas';
  const check = (holds: boolean, wrong: string): boolean =>
    world.verdict.check(invariant, holds, name, () => `${point.name}: ${wrong}`);
  if ('value' in outcome) {
    check(outcome.value === undefined, outcome.value ?? '');
    return;
  }
  const { error } = outcome;
  if (!(error instanceof Unreadable)) {
    check(false, messageOf(error));
    return;
  }
  const damage = world.damaged.get(error.object);
  if (!check(damage !== undefined, error.message) || damage === undefined) return;
  const { foundMs } = damage;
  const isOld = foundMs === undefined || point.madeMs - LONGEST_UPLOAD_MS < foundMs;
  const text = (): string => `${point.name}: ${error.message}, which was known when it was made`;
  world.verdict.check('damage heals', isOld, name, text);
  // On a full disk only this process knows of it.
  if (!world.circumstances.isFull) damage.foundMs ??= world.clock.passedMs;
}

/** What is wrong with a point, if anything is. */
type Read = Outcome<string | undefined>;

/** @returns what is wrong with it; undefined for nothing. @throws Unreadable */
async function readPoint(store: Store, find: () => Listing, point: Point): Promise<string | undefined> {
  const listing = find();
  if (listing.timeMs !== point.timeMs) return `it is of ${listing.timeMs}, not of ${point.timeMs}`;
  const found: [block: number, bytes: Buffer][] = [];
  const record = await store.record(listing);
  if (record.volumes.length !== point.volumes) return `it has ${record.volumes.length} volumes, not ${point.volumes}`;
  for (const [volume, { root }] of record.volumes.entries()) {
    if (isEmptyDigest(root)) continue;
    const node = await read(store, ObjectType.inner, root);
    for (const [region, leaf] of decodeInner(node, treeHeight(REGIONS)).entries()) {
      if (leaf === undefined) continue;
      for (const { firstBlock, digest } of decodeLeaf(await read(store, ObjectType.leaf, leaf))) {
        const chunk = await read(store, ObjectType.chunk, digest);
        for (let at = 0; at < chunk.length; at += BLOCK_BYTES) {
          const block = blockIndex(volume, region, firstBlock + at / BLOCK_BYTES);
          found.push([block, chunk.subarray(at, at + BLOCK_BYTES)]);
        }
      }
    }
  }
  return difference(found, point.content);
}

async function read(store: Store, type: ObjectType, digest: Uint8Array): Promise<Buffer> {
  const name = objectName(type, digest);
  try {
    return await store.reader.read(type, digest);
  } catch (error) {
    if (isUmbraError(error, 'STORE_DAMAGED')) throw new Unreadable(name, error);
    throw error;
  }
}

function difference(found: readonly [number, Buffer][], content: Content): string | undefined {
  for (const [block, bytes] of found) {
    const value = content.get(block);
    if (value === undefined) return `block ${block} should be zeros`;
    if (!blockBytes(value).equals(bytes)) return `block ${block} has other bytes`;
  }
  return found.length === content.size ? undefined : `${found.length} blocks, not ${content.size}`;
}
