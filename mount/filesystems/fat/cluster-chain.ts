import { UmbraError } from '../../../src/common/errors.js';
import { CHAIN_BROKEN, CHAIN_END, type ClusterTable } from './cluster-table.js';

/** Clusters that follow each other on the volume. */
export interface ClusterRun {
  readonly cluster: number;
  readonly count: number;
}

/** More runs than that are not kept of one chain. */
const MAX_RUNS = 4096;

/** Before a run: nothing follows it, or what makes no sense. */
type End = 'open' | 'end' | 'broken' | 'loop';

/**
 * The clusters of a file in order, followed no further than is asked for, and kept as runs. Of a file in very many
 * pieces only every second, fourth … run is kept, and what lies between is followed again.
 */
export class ClusterChain {
  readonly #table: ClusterTable;
  /** Of each kept run its place in the chain, its first cluster and its length. */
  readonly #places: number[] = [];
  readonly #clusters: number[] = [];
  readonly #counts: number[] = [];
  /** Of that many runs one is kept; the last that was followed always is, and it is the `#runs`th. */
  #stride = 1;
  #runs = 0;
  #end: End = 'open';
  /** For Brent's way to find loops: a cluster that was passed, and how far away the next such one will be. */
  #passed = 0;
  #steps = 0;
  #power = 1;
  /** One at a time follows the chain. */
  #queue: Promise<unknown> = Promise.resolve();

  constructor(table: ClusterTable, first: number) {
    this.#table = table;
    if (table.has(first)) this.#keep(0, first, 1);
    else this.#end = 'broken';
    this.#passed = first;
  }

  /** A chain that is no chain in the table: `count` clusters that follow each other. */
  static contiguous(table: ClusterTable, first: number, count: number): ClusterChain {
    const chain = new ClusterChain(table, first);
    const there = Math.min(count, table.clusters + 2 - first);
    if (chain.#counts.length > 0) chain.#counts[0] = there;
    if (chain.#end === 'open') chain.#end = there < count ? 'broken' : 'end';
    return chain;
  }

  /**
   * The run that holds the `place`th cluster, from it on, no more than `most`; it may end before the clusters cease to
   * follow each other. Undefined after the chain's end; at once if that part is known.
   * @throws {UmbraError} FILESYSTEM_DAMAGED when the chain breaks off before that or is a loop, STORE_DAMAGED
   */
  run(place: number, most: number): ClusterRun | undefined | Promise<ClusterRun | undefined> {
    const kept = this.#find(place);
    const known = this.#within(kept, place, most);
    if (known !== undefined) return known;
    const followed = this.#queue.then(() => this.#follow(place, most));
    this.#queue = followed.catch(() => undefined);
    return followed;
  }

  /**
   * How many clusters it has; all of it is followed.
   * @throws {UmbraError} FILESYSTEM_DAMAGED, STORE_DAMAGED
   */
  async length(): Promise<number> {
    while (this.#end === 'open') await this.run(this.#known(), Number.MAX_SAFE_INTEGER);
    if (this.#end !== 'end') throw this.#broken();
    return this.#known();
  }

  /** How many clusters of it are known, from the first. */
  #known(): number {
    return (this.#places.at(-1) ?? 0) + (this.#counts.at(-1) ?? 0);
  }

  /** The index of the last kept run that begins at or before `place`. */
  #find(place: number): number {
    let low = 0;
    let high = this.#places.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#places[middle] ?? 0) <= place) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #within(index: number, place: number, most: number): ClusterRun | undefined {
    const from = place - (this.#places[index] ?? 0);
    const count = (this.#counts[index] ?? 0) - from;
    if (count <= 0) return undefined;
    const isOpen = this.#end === 'open' && index === this.#places.length - 1;
    if (isOpen && count < most) return undefined;
    return { cluster: (this.#clusters[index] ?? 0) + from, count: Math.min(count, most) };
  }

  async #follow(place: number, most: number): Promise<ClusterRun | undefined> {
    while (this.#end === 'open' && this.#known() < place + most && this.#isInLast(place)) {
      const step = this.#step();
      if (step !== undefined) await step;
    }
    if (place < this.#known()) return this.#within(this.#find(place), place, most) ?? (await this.#again(place, most));
    if (this.#end !== 'end') throw this.#broken();
    return undefined;
  }

  /** The run that holds `place`, which lies after one that is kept and before the next one. */
  async #again(place: number, most: number): Promise<ClusterRun> {
    const index = this.#find(place);
    const end = Math.min(place + most, this.#places[index + 1] ?? 0);
    let start = this.#places[index] ?? 0;
    let cluster = this.#clusters[index] ?? 0;
    let count = this.#counts[index] ?? 0;
    while (start + count < end) {
      const found = this.#table.next(cluster + count - 1);
      const next = typeof found === 'number' ? found : await found;
      if (next === cluster + count) count += 1;
      else if (start + count > place) break;
      else [start, cluster, count] = [start + count, next, 1];
    }
    return { cluster: cluster + place - start, count: Math.min(start + count - place, most) };
  }

  /** False once a run has begun after the one that holds `place`. */
  #isInLast(place: number): boolean {
    const last = this.#places.length - 1;
    return last < 1 || (this.#places[last] ?? 0) <= place || this.#known() <= place;
  }

  #broken(): UmbraError {
    const what = this.#end === 'loop' ? 'leads back into itself' : 'breaks off';
    return new UmbraError('FILESYSTEM_DAMAGED', `the chain of clusters ${what} after ${this.#known()} clusters`);
  }

  /** One cluster further; a promise if that part of the table must be read. */
  #step(): Promise<void> | undefined {
    const found = this.#table.next(this.#lastCluster());
    if (typeof found !== 'number')
      return found.then((next) => {
        this.#advance(next);
      });
    this.#advance(found);
    return undefined;
  }

  #lastCluster(): number {
    return (this.#clusters.at(-1) ?? 0) + (this.#counts.at(-1) ?? 0) - 1;
  }

  #advance(next: number): void {
    const last = this.#counts.length - 1;
    if (next === CHAIN_END) this.#end = 'end';
    else if (next === CHAIN_BROKEN) this.#end = 'broken';
    else if (this.#isLoop(next)) this.#end = 'loop';
    else if (next === this.#lastCluster() + 1) this.#counts[last] = (this.#counts[last] ?? 0) + 1;
    else this.#begin(next);
  }

  #begin(cluster: number): void {
    const place = this.#known();
    if (this.#runs % this.#stride !== 0) this.#forget(this.#places.length - 1);
    this.#keep(place, cluster, 1);
    this.#runs += 1;
    if (this.#places.length <= MAX_RUNS) return;
    this.#stride *= 2;
    for (const kept of [this.#places, this.#clusters, this.#counts]) thin(kept);
  }

  #forget(index: number): void {
    for (const kept of [this.#places, this.#clusters, this.#counts]) kept.length = index;
  }

  #isLoop(cluster: number): boolean {
    if (cluster === this.#passed || cluster === this.#clusters[0]) return true;
    if (++this.#steps < this.#power) return false;
    this.#passed = cluster;
    this.#steps = 0;
    this.#power *= 2;
    return false;
  }

  #keep(place: number, cluster: number, count: number): void {
    this.#places.push(place);
    this.#clusters.push(cluster);
    this.#counts.push(count);
  }
}

/** Leave every second one and the last. */
function thin(kept: number[]): void {
  const last = kept.at(-1) ?? 0;
  const half = Math.floor((kept.length - 1) / 2) + 1;
  for (let index = 0; index < half; index++) kept[index] = kept[index * 2] ?? 0;
  const isLastLeft = kept.length % 2 === 1;
  kept.length = half;
  if (!isLastLeft) kept.push(last);
}
