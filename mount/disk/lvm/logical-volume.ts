import { UmbraError } from '../../../src/common/errors.js';
import type { BlockCache } from '../../blocks/block-cache.js';
import { type ByteSource, WindowSource } from '../../blocks/byte-source.js';
import { concatenated, cutTo, zeros } from '../map/concatenated.js';
import { striped } from '../map/striped.js';
import { Probe } from '../probe.js';
import { type ConfigSection, listIn, numberIn, stringIn } from './config-text.js';
import { raidSource } from './raid.js';
import { currentLegs, type Leg } from './raid-legs.js';
import { readSnapshot } from './snapshot.js';
import { readThinMap, readThinPool } from './thin-metadata.js';
import type { LogicalVolume, Segment, VolumeGroup } from './volume-group.js';

const SECTOR_BYTES = 512;
/** As many legs a RAID of LVM can have. */
const MAX_LEGS = 64;

/** A place from which a segment, or a leg of it, is taken: a physical volume or another logical volume. */
interface Place {
  readonly name: string;
  readonly extent: number;
}

/** Makes the logical volumes of a volume group out of its physical volumes. */
export class LogicalVolumes {
  readonly #group: VolumeGroup;
  readonly #physical: ReadonlyMap<string, ByteSource>;
  readonly #cache: BlockCache;
  readonly #made = new Map<string, ByteSource | UmbraError>();
  readonly #making = new Set<string>();

  /** @param physical the physical volumes that are there, by their UUID */
  constructor(group: VolumeGroup, physical: ReadonlyMap<string, ByteSource>, cache: BlockCache) {
    this.#group = group;
    this.#physical = physical;
    this.#cache = cache;
  }

  /**
   * The bytes of a logical volume. One call at a time.
   * @throws {UmbraError} FILESYSTEM_UNREADABLE when a part is missing or of a kind that is not read, FILESYSTEM_DAMAGED,
   * STORE_DAMAGED
   */
  async source(name: string): Promise<ByteSource> {
    const known = this.#made.get(name);
    if (known instanceof UmbraError) throw known;
    if (known !== undefined) return known;
    if (this.#making.has(name)) throw damaged(`the logical volume "${name}" is made of itself`);
    this.#making.add(name);
    try {
      const source = await this.#make(name);
      this.#made.set(name, source);
      return source;
    } catch (error) {
      if (error instanceof UmbraError) this.#made.set(name, error);
      throw error;
    } finally {
      this.#making.delete(name);
    }
  }

  async #make(name: string): Promise<ByteSource> {
    const volume = this.#group.logicalVolumes.get(name);
    if (volume === undefined) throw damaged(`there is no logical volume "${name}"`);
    const snapshot = snapshotOf(this.#group, 'cow_store', name);
    if (snapshot !== undefined) {
      const store = new Probe(await this.#own(volume), this.#cache);
      return await readSnapshot(store, await this.source(stringIn(snapshot, 'origin')));
    }
    const own = await this.#own(volume);
    // A volume into which a snapshot is being merged already shows that snapshot.
    const merging = snapshotOf(this.#group, 'origin', name, 'merging_store');
    if (merging === undefined) return own;
    return await readSnapshot(new Probe(await this.source(stringIn(merging, 'merging_store')), this.#cache), own);
  }

  /** What its segments hold. */
  async #own({ segments }: LogicalVolume): Promise<ByteSource> {
    const parts: ByteSource[] = [];
    let extents = 0;
    for (const segment of segments) {
      if (segment.startExtent !== extents) throw damaged('the segments of a logical volume have gaps');
      const sizeBytes = this.#bytes(segment.extents);
      const part = await this.#segment(segment, sizeBytes);
      if (part.sizeBytes < sizeBytes) throw damaged('a segment is shorter than it should be');
      parts.push(cutTo(part, sizeBytes));
      extents += segment.extents;
    }
    return concatenated(parts);
  }

  async #segment({ type, extents, settings }: Segment, sizeBytes: number): Promise<ByteSource> {
    if (type === 'striped' || type === 'linear') return await this.#striped(settings, extents);
    if (type === 'mirror') return await this.#mirror(settings, sizeBytes);
    if (type.startsWith('raid')) return await this.#raid(type, settings, sizeBytes);
    if (type === 'thin') return await this.#thin(settings, sizeBytes);
    if (type === 'cache') return await this.#cached(settings);
    if (type === 'integrity') return await this.#withIntegrity(settings);
    if (type === 'zero') return zeros(sizeBytes);
    throw unreadable(type);
  }

  /** Extents of a physical volume, or of a logical one. */
  async #place({ name, extent }: Place, extents: number): Promise<ByteSource> {
    const physical = this.#group.physicalVolumes.get(name);
    const offset = this.#bytes(extent) + (physical?.startBytes ?? 0);
    const below = physical === undefined ? await this.source(name) : this.#physical.get(physical.uuid);
    if (below === undefined) throw missing(name, physical?.uuid ?? '', physical?.device ?? '');
    const window = new WindowSource(below, offset, this.#bytes(extents));
    if (window.sizeBytes < this.#bytes(extents)) throw damaged(`a part of it lies behind the end of "${name}"`);
    return window;
  }

  async #striped(settings: ConfigSection, extents: number): Promise<ByteSource> {
    const places = placesIn(settings, 'stripes');
    if (places.length === 0 || places.length > MAX_LEGS * 2) throw damaged('a segment stands nowhere');
    const columns: ByteSource[] = [];
    for (const place of places) columns.push(await this.#place(place, Math.floor(extents / places.length)));
    const [only] = columns;
    if (only !== undefined && columns.length === 1) return only;
    return striped(columns, stripeBytes(settings));
  }

  /** The first leg is the one that the others are copied from. */
  async #mirror(settings: ConfigSection, sizeBytes: number): Promise<ByteSource> {
    const extents = sizeBytes / this.#group.extentBytes;
    return await this.#firstOf(placesIn(settings, 'mirrors').slice(0, MAX_LEGS), (place) =>
      this.#place(place, extents),
    );
  }

  async #firstOf<T>(candidates: readonly T[], make: (candidate: T) => Promise<ByteSource>): Promise<ByteSource> {
    let first: unknown = damaged('a mirror has no legs');
    for (const [index, candidate] of candidates.entries()) {
      try {
        return await make(candidate);
      } catch (error) {
        if (!(error instanceof UmbraError)) throw error;
        if (index === 0) first = error;
      }
    }
    throw first;
  }

  async #raid(type: string, settings: ConfigSection, sizeBytes: number): Promise<ByteSource> {
    const names = legNames(type, settings);
    if (names.length === 0 || names.length > MAX_LEGS) throw damaged('a RAID has no legs, or too many');
    if (settings.has('reshape_count') || settings.has('data_offset'))
      throw unreadable(`${type} that is being reshaped`);
    const legs: Leg[] = [];
    const problems: unknown[] = [];
    for (const [metadataName, imageName] of names) {
      const note = (error: unknown): undefined => {
        if (!(error instanceof UmbraError)) throw error;
        problems.push(error);
      };
      const image = await this.source(imageName).catch(note);
      const metadata = metadataName === '' ? undefined : await this.source(metadataName).catch(note);
      legs.push({ ...(image && { image }), ...(metadata && { metadata: new Probe(metadata, this.#cache) }) });
    }
    const columns = await currentLegs(legs);
    try {
      return raidSource(type, columns, settings, sizeBytes);
    } catch (error) {
      // That a disk is missing says more than what can't be done without it.
      throw problems[0] ?? error;
    }
  }

  async #thin(settings: ConfigSection, sizeBytes: number): Promise<ByteSource> {
    const pool = this.#group.logicalVolumes.get(stringIn(settings, 'thin_pool'))?.segments[0];
    if (pool?.type !== 'thin-pool') throw damaged('a thin volume has no pool');
    const data = await this.source(stringIn(pool.settings, 'pool'));
    const metadata = new Probe(await this.source(stringIn(pool.settings, 'metadata')), this.#cache);
    const superblock = await readThinPool(metadata);
    const blocks = Math.floor(data.sizeBytes / superblock.blockBytes);
    const map = await readThinMap(metadata, superblock, numberIn(settings, 'device_id'), blocks);
    if (map === undefined) throw damaged('its thin pool knows nothing of it');
    const external = stringIn(settings, 'external_origin');
    const others = external === '' ? undefined : await this.source(external);
    return map.over(data, superblock.blockBytes, sizeBytes, others);
  }

  /** A cache that is written through has nothing that is not in the origin, too. */
  async #cached(settings: ConfigSection): Promise<ByteSource> {
    const pool = this.#group.logicalVolumes.get(stringIn(settings, 'cache_pool'))?.segments[0]?.settings;
    const mode = stringIn(settings, 'cache_mode') || (pool === undefined ? '' : stringIn(pool, 'cache_mode'));
    if (mode !== 'writethrough' && mode !== 'passthrough') throw unreadable('cache');
    return await this.source(stringIn(settings, 'origin'));
  }

  /** Its data stand as they are, the checksums elsewhere; but with a journal the newest data may be in that. */
  async #withIntegrity(settings: ConfigSection): Promise<ByteSource> {
    if (stringIn(settings, 'mode') !== 'B' || stringIn(settings, 'meta_dev') === '') throw unreadable('integrity');
    return await this.source(stringIn(settings, 'origin'));
  }

  #bytes(extents: number): number {
    return extents * this.#group.extentBytes;
  }
}

/** The settings of the snapshot that names that volume in that role; with a value for `also`, if given. */
function snapshotOf(group: VolumeGroup, role: string, name: string, also = role): ConfigSection | undefined {
  for (const { segments } of group.logicalVolumes.values()) {
    const [first] = segments;
    if (first?.type !== 'snapshot' || stringIn(first.settings, role) !== name) continue;
    if (stringIn(first.settings, also) !== '') return first.settings;
  }
  return undefined;
}

/** A list of names and extents in turn. */
function placesIn(settings: ConfigSection, key: string): Place[] {
  const list = listIn(settings, key);
  return Array.from({ length: Math.floor(list.length / 2) }, (_, index) => {
    const [name, extent] = [list[index * 2], list[index * 2 + 1]];
    if (typeof name !== 'string' || typeof extent !== 'number' || !Number.isSafeInteger(extent) || extent < 0) {
      throw damaged('a segment stands nowhere');
    }
    return { name, extent };
  });
}

/** The names of the legs' metadata and data; RAID 0 has none of the former. */
function legNames(type: string, settings: ConfigSection): [string, string][] {
  if (type === 'raid0') return listIn(settings, 'raid0_lvs').map((name) => ['', String(name)]);
  const list = listIn(settings, 'raids').map(String);
  return Array.from({ length: Math.floor(list.length / 2) }, (_, index) => [
    list[index * 2] ?? '',
    list[index * 2 + 1] ?? '',
  ]);
}

/** @throws {UmbraError} FILESYSTEM_DAMAGED when they have no size */
function stripeBytes(settings: ConfigSection): number {
  const bytes = numberIn(settings, 'stripe_size') * SECTOR_BYTES;
  if (bytes === 0) throw damaged('the stripes of a logical volume have no size');
  return bytes;
}

function damaged(why: string): UmbraError {
  return new UmbraError('FILESYSTEM_DAMAGED', `the metadata of a volume group are damaged: ${why}`);
}

function missing(name: string, uuid: string, device: string): UmbraError {
  const was = device === '' ? '' : `, then ${device}`;
  return new UmbraError('FILESYSTEM_UNREADABLE', 'a logical volume of which a part is missing', {
    hint:
      `It needs the physical volume ${name} (${uuid}${was}), which is in none of this machine's volumes. ` +
      'Protect that disk as well; files that are not on it can be had by activating the group partially: "vgchange -ay --activationmode partial".',
  });
}

const CACHED = 'The newest data may be in the cache only, and Umbra does not read that. ';

const HINTS: Readonly<Record<string, string>> = {
  cache: CACHED,
  writecache: CACHED,
  vdo: 'Its blocks are deduplicated and compressed. ',
  integrity: 'The newest data may be in the journal of its checksums only, and Umbra does not read that. ',
};

function unreadable(type: string): UmbraError {
  return new UmbraError('FILESYSTEM_UNREADABLE', `a logical volume of the type ${type.slice(0, 60)}`, {
    hint:
      (HINTS[type] ?? 'Umbra does not read volumes of this type. ') +
      'Linux shows it: make loop devices over writable copies of all raw volumes of the machine and run "vgchange -ay".',
  });
}
