import { EMPTY_DIGEST } from '../codec/digest.js';
import type { DiffRequest, DiffResult, DiffVolume, Progress } from '../protocol/api.js';
import type { ShadowCopyRecord, VolumeRecord } from '../store/records.js';
import type { Store } from '../store/store.js';
import type { TreeRoot } from '../tree/tree-reader.js';
import type { WorkerPool } from '../workers/pool.js';
import { diffVolumes } from './volume-diff.js';

export interface DiffOptions {
  readonly store: Store;
  readonly pool: WorkerPool;
  readonly request: DiffRequest;
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;
}

/** What a volume is compared with where there is none. */
const NO_VOLUME: TreeRoot = { root: EMPTY_DIGEST, sizeBytes: 0 };

/**
 * Compare two shadow copies volume by volume, matched by name, by walking their trees where these differ. Of an added or
 * removed volume all data counts. Without `exact` no chunk is read, and a range may be wider than what really differs,
 * as far as a chunk goes; with it, ranges are in blocks of 4 KiB.
 *
 * @throws {UmbraError} NOT_FOUND, STORE_DAMAGED, STORE_FAILED, CANCELLED
 */
export async function diffShadowCopies(options: DiffOptions): Promise<DiffResult> {
  const { store, request } = options;
  const from = store.catalog.find(request.machine, request.from);
  const to = store.catalog.find(request.toMachine, request.to);
  const what = `a comparison of ${nameOf(from)} and ${nameOf(to)}`;
  const giveBack = [store.leases.take(from, what), store.leases.take(to, what)];
  try {
    const volumes = await diffRecords(options, await store.record(from), await store.record(to));
    return { from: nameOf(from), to: nameOf(to), exact: request.exact, volumes };
  } finally {
    for (const give of giveBack) give();
  }
}

async function diffRecords(options: DiffOptions, from: ShadowCopyRecord, to: ShadowCopyRecord): Promise<DiffVolume[]> {
  const pairs = matchVolumes(from.volumes, to.volumes);
  const totalBytes = pairs.reduce((sum, pair) => sum + pairBytes(pair), 0);
  const volumes: DiffVolume[] = [];
  let doneBytes = 0;
  for (const pair of pairs) {
    const finished = doneBytes;
    const onPassed = (position: number): void => {
      options.progress({ what: `comparing ${pair.name}`, doneBytes: finished + position, totalBytes });
    };
    onPassed(0);
    volumes.push(await diffPair(options, pair, onPassed));
    doneBytes += pairBytes(pair);
    onPassed(pairBytes(pair));
  }
  return volumes;
}

interface VolumePair {
  readonly name: string;
  readonly from: VolumeRecord | undefined;
  readonly to: VolumeRecord | undefined;
}

async function diffPair(
  options: DiffOptions,
  pair: VolumePair,
  onPassed: (position: number) => void,
): Promise<DiffVolume> {
  const { store, pool, request, signal } = options;
  const { name, from, to } = pair;
  const sides = { from: from ?? NO_VOLUME, to: to ?? NO_VOLUME };
  const list = await diffVolumes({ reader: store.reader, pool, ...sides, exact: request.exact, signal, onPassed });
  const resized = from?.sizeBytes !== to?.sizeBytes;
  const both = list.bytes > 0 || resized ? 'changed' : 'same';
  return {
    name,
    change: from === undefined ? 'added' : to === undefined ? 'removed' : both,
    ...(from === undefined ? {} : { fromBytes: from.sizeBytes }),
    ...(to === undefined ? {} : { toBytes: to.sizeBytes }),
    changedBytes: list.bytes,
    ranges: list.ranges,
  };
}

/** The volumes of the first shadow copy in its order, then those that only the second has. */
function matchVolumes(from: readonly VolumeRecord[], to: readonly VolumeRecord[]): VolumePair[] {
  const pairs: VolumePair[] = from.map((volume) => ({
    name: volume.name,
    from: volume,
    to: to.find(({ name }) => name === volume.name),
  }));
  const added = to.filter(({ name }) => from.every((volume) => volume.name !== name));
  return [...pairs, ...added.map((volume) => ({ name: volume.name, from: undefined, to: volume }))];
}

function pairBytes({ from, to }: VolumePair): number {
  return Math.max(from?.sizeBytes ?? 0, to?.sizeBytes ?? 0);
}

function nameOf({ machine, name }: { readonly machine: string; readonly name: string }): string {
  return `${machine}@${name}`;
}
