import { BLOCK_BYTES } from '../codec/formats.js';
import { UmbraError } from '../common/errors.js';
import { INGEST_WINDOW, type RegionPlace, type ServerFrame } from '../protocol/ingest.js';
import { decodeLeaf } from '../tree/node.js';
import type { Data } from './volume-ingest.js';

/** A region that was sent, and is not settled. */
export interface RegionUnderWay extends RegionPlace {
  /** Takes the chunks that were asked for. */
  fetched: ((data: Data | undefined) => void) | undefined;
  /** How many bytes those are. */
  wantedBytes: number;
}

/** The regions of an upload that were sent over its connection, and are not settled: so many at most, in their order. */
export class RegionsUnderWay {
  readonly #regions = new Set<RegionUnderWay>();
  #newest: RegionPlace | undefined;

  /** One more is sent. @throws {UmbraError} BAD_ARGUMENT if it comes out of order, or is one too many */
  begin({ volume, region }: RegionPlace): RegionUnderWay {
    if (this.#newest !== undefined && !isBehind(this.#newest, { volume, region })) {
      throw wrong(`region ${region} of volume ${volume} comes out of order`);
    }
    if (this.#regions.size >= INGEST_WINDOW) throw wrong(`more than ${INGEST_WINDOW} regions are under way`);
    const begun: RegionUnderWay = { volume, region, fetched: undefined, wantedBytes: 0 };
    this.#regions.add(begun);
    this.#newest = { volume, region };
    return begun;
  }

  settled(region: RegionUnderWay): void {
    this.#regions.delete(region);
  }

  /**
   * Ask for chunks of a region, by their numbers in its leaf, and wait for them.
   * @param send undefined if the connection is lost by now
   * @throws {UmbraError} CANCELLED if it is lost before they are there
   */
  async fetch(
    place: RegionUnderWay,
    leaf: Buffer,
    wanted: readonly number[],
    send: ((frame: ServerFrame) => void) | undefined,
  ): Promise<Data> {
    const { volume, region } = place;
    const chunks = decodeLeaf(leaf);
    const blocks = wanted.reduce((sum, index) => sum + (chunks[index]?.blocks ?? 0), 0);
    place.wantedBytes = blocks * BLOCK_BYTES;
    const data = await new Promise<Data | undefined>((resolve) => {
      place.fetched = resolve;
      if (send === undefined) resolve(undefined);
      else send({ t: 'want', volume, region, chunks: wanted });
    });
    place.fetched = undefined;
    if (data === undefined) throw new UmbraError('CANCELLED', 'the connection was lost');
    return data;
  }

  /** Chunks that were asked for are there. @throws {UmbraError} BAD_ARGUMENT if they were not */
  take({ volume, region }: RegionPlace, data: Data): void {
    const place = [...this.#regions].find((other) => other.volume === volume && other.region === region);
    const fetched = place?.fetched;
    if (place === undefined || fetched === undefined) throw wrong(`nobody asked for chunks of region ${region}`);
    if (data.bytes.length !== place.wantedBytes) {
      throw wrong(`${data.bytes.length} bytes came for chunks of ${place.wantedBytes} of region ${region}`);
    }
    fetched(data);
  }

  /** The connection is lost: who waits for chunks need not any more. */
  lost(): void {
    for (const { fetched } of this.#regions) fetched?.(undefined);
  }

  /** What is not settled is as if it had not been sent: it comes again, behind this one. */
  reset(settled: RegionPlace | undefined): void {
    this.#regions.clear();
    this.#newest = settled;
  }
}

function isBehind(before: RegionPlace, place: RegionPlace): boolean {
  return place.volume > before.volume || (place.volume === before.volume && place.region > before.region);
}

function wrong(what: string): UmbraError {
  return new UmbraError('BAD_ARGUMENT', what);
}
