import { readFile } from 'node:fs/promises';
import { systemCode } from '../../../src/common/errors.js';
import { writeDurably } from '../../../src/system/durable-file.js';
import { count, list, record, text } from '../../json-values.js';

/** A volume at a checkpoint. */
export interface RecordedVolume {
  readonly sizeBytes: number;
  /**
   * Chains, each the top first, by what was written to their files last. What lies above one of them holds all that has changed
   * since the checkpoint. Those that hold less are asked first.
   */
  readonly chains: readonly (readonly string[])[];
}

/** A merge that was begun. */
export interface RecordedMerge {
  readonly volume: string;
  readonly path: string;
  /** What lies on it, and what it is merged into; `above` is undefined for what the guest writes to. */
  readonly above: string | undefined;
  readonly onto: string;
  /** Of the QEMU that merges, as the machine names it. */
  readonly run?: string | undefined;
}

export interface OverlayState {
  /** By id, then by volume. */
  readonly checkpoints: Readonly<Record<string, Readonly<Record<string, RecordedVolume>>>>;
  /** Overlays that were about to be put on disks. */
  readonly making: readonly string[];
  /** Overlays that hold what guests have written. */
  readonly overlays: readonly string[];
  readonly merging: RecordedMerge | undefined;
  /** Merges that were begun of overlays that only QEMU knew of. */
  readonly takingBack: readonly RecordedMerge[];
}

export const NO_STATE: OverlayState = { checkpoints: {}, making: [], overlays: [], merging: undefined, takingBack: [] };

/** What a tracker must remember. One small durable file; without it nothing is lost but what is known of changes. */
export class OverlayNotes {
  readonly #path: string;

  /** @param path - absolute, for one machine; its directory is there */
  constructor(path: string) {
    this.#path = path;
  }

  async read(): Promise<OverlayState> {
    try {
      return parse(record(JSON.parse(await readFile(this.#path, 'utf8'))));
    } catch (error) {
      if (systemCode(error) === 'ENOENT' || error instanceof SyntaxError) return NO_STATE;
      throw error;
    }
  }

  async update(change: (state: OverlayState) => Partial<OverlayState>): Promise<void> {
    const state = await this.read();
    await writeDurably(this.#path, `${JSON.stringify({ ...state, ...change(state) })}\n`);
  }
}

function parse(value: Readonly<Record<string, unknown>>): OverlayState {
  return {
    checkpoints: mapValues(record(value['checkpoints']), (volumes) => mapValues(record(volumes), recordedVolume)),
    making: texts(value['making']),
    overlays: texts(value['overlays']),
    merging: recordedMerge(value['merging']),
    takingBack: list(value['takingBack'])
      .map(recordedMerge)
      .filter((each) => each !== undefined),
  };
}

function recordedMerge(value: unknown): RecordedMerge | undefined {
  const merge = record(value);
  const [volume, path, onto] = [text(merge['volume']), text(merge['path']), text(merge['onto'])];
  if (volume === undefined || path === undefined || onto === undefined) return undefined;
  return { volume, path, onto, above: text(merge['above']), run: text(merge['run']) };
}

function recordedVolume(value: unknown): RecordedVolume {
  const volume = record(value);
  return { sizeBytes: count(volume['sizeBytes']) ?? -1, chains: list(volume['chains']).map(texts) };
}

function texts(value: unknown): string[] {
  return list(value)
    .map(text)
    .filter((each) => each !== undefined);
}

function mapValues<T>(values: Readonly<Record<string, unknown>>, map: (value: unknown) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, map(value)]));
}
