import { readFile } from 'node:fs/promises';
import { UmbraError, systemCode } from '../../../src/common/errors.js';
import type { Clock } from '../../../src/common/clock.js';
import type { DiscoveredVolume } from '../../../src/protocol/agents-api.js';
import type { Consistency } from '../../../src/protocol/api.js';
import { writeDurably } from '../../../src/system/durable-file.js';
import type { DiskImage } from '../../images/image.js';
import { openImage } from '../../images/open-image.js';
import type { Checkpoint, CheckpointRequest, CheckpointVolume, Tracker } from '../tracker.js';

export interface ScanTrackerOptions {
  readonly volumes: readonly DiscoveredVolume[];
  /** Where it keeps what the images were at the last checkpoint; its directory is there. */
  readonly stateFile: string;
  readonly readConfig: () => Promise<Checkpoint['config']>;
  /** Opens a volume, locked against who writes, when absent. */
  readonly open?: (volume: DiscoveredVolume) => Promise<DiskImage>;
  readonly clock: Clock;
}

/** What names the content of each image at a checkpoint, by volume. */
interface ScanState {
  readonly checkpoint: string;
  readonly fingerprints: Readonly<Record<string, string>>;
}

interface OpenVolume {
  readonly volume: DiscoveredVolume;
  readonly image: DiskImage;
}

const WORST_FIRST: readonly Consistency[] = ['none', 'crash', 'filesystem', 'application', 'offline'];

/**
 * Reads the images themselves, of a machine that is off, or that works on others: all is read and compared, but for images whose
 * size and times say that they are as they were.
 */
export class ScanTracker implements Tracker {
  readonly kind = 'scan';
  readonly #options: ScanTrackerOptions;

  constructor(options: ScanTrackerOptions) {
    this.#options = options;
  }

  async checkpoint(request: CheckpointRequest): Promise<Checkpoint> {
    const { clock, readConfig } = this.#options;
    const before = await this.#readState(request.since);
    const opened = await this.#open(request);
    try {
      const config = await readConfig();
      return {
        id: request.id,
        timeMs: clock.now(),
        // Of volumes that nobody can lock it is known in the end.
        get consistency() {
          return worstOf(opened);
        },
        pauseMs: 0,
        get notes() {
          return notesOf(opened, request.volumes);
        },
        config,
        volumes: opened.map((each) => volumeOf(each, before)),
        assertUnchanged: async () => {
          for (const { image } of opened) await image.assertUnchanged();
        },
        acknowledge: () => this.#writeState(request.id, opened),
        close: () => closeAll(opened),
      };
    } catch (error) {
      await closeAll(opened);
      throw error;
    }
  }

  async forget(): Promise<void> {
    await writeDurably(this.#options.stateFile, '{}\n');
  }

  async #open({ volumes, signal }: CheckpointRequest): Promise<OpenVolume[]> {
    const { open = openLocked } = this.#options;
    const opened: OpenVolume[] = [];
    try {
      for (const volume of this.#options.volumes) {
        if (signal.aborted) throw new UmbraError('CANCELLED', 'cancelled');
        if (volumes?.includes(volume.name) === false) continue;
        opened.push({ volume, image: await open(volume) });
      }
      if (opened.length > 0) return opened;
      throw new UmbraError('TRACKER_UNAVAILABLE', 'the machine has no volume that can be read');
    } catch (error) {
      await closeAll(opened);
      throw error;
    }
  }

  async #writeState(checkpoint: string, opened: readonly OpenVolume[]): Promise<void> {
    const known = opened.flatMap(({ volume, image }) =>
      image.fingerprint === undefined ? [] : [[volume.name, keyOf(volume, image.fingerprint)] as const],
    );
    const state: ScanState = { checkpoint, fingerprints: Object.fromEntries(known) };
    await writeDurably(this.#options.stateFile, `${JSON.stringify(state)}\n`);
  }

  /** @returns undefined if it is not known what the images were at that checkpoint */
  async #readState(since: string | undefined): Promise<ReadonlyMap<string, unknown> | undefined> {
    try {
      const state = Object(JSON.parse(await readFile(this.#options.stateFile, 'utf8'))) as Partial<ScanState>;
      if (since === undefined || state.checkpoint !== since) return undefined;
      return new Map<string, unknown>(Object.entries(Object(state.fingerprints) as object));
    } catch (error) {
      if (error instanceof SyntaxError || systemCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  }
}

function volumeOf({ volume, image }: OpenVolume, before: ReadonlyMap<string, unknown> | undefined): CheckpointVolume {
  const { name, path } = volume;
  const isAsBefore = image.fingerprint !== undefined && before?.get(name) === keyOf(volume, image.fingerprint);
  return {
    name,
    path,
    format: image.format,
    sizeBytes: image.sizeBytes,
    changesKnown: isAsBefore,
    changes: nothing,
    extents: () => image.extents(),
    read: (target, offset) => image.read(target, offset),
  };
}

async function openLocked({ path, format }: DiscoveredVolume): Promise<DiskImage> {
  return await openImage(path, { format });
}

function notesOf(opened: readonly OpenVolume[], wanted: readonly string[] = []): string[] {
  const written = opened.filter(({ image }) => image.consistency === 'none').map(({ volume }) => volume.name);
  const missing = wanted.filter((name) => !opened.some(({ volume }) => volume.name === name));
  return [
    ...missing.map((name) => `the machine has no volume ${name}`),
    ...written.map((name) => `${name} may have been written while it was read: it is not of one instant`),
  ];
}

function keyOf({ path }: DiscoveredVolume, fingerprint: string): string {
  return `${fingerprint} ${path}`;
}

function worstOf(opened: readonly OpenVolume[]): Consistency {
  return WORST_FIRST.find((consistency) => opened.some(({ image }) => image.consistency === consistency)) ?? 'offline';
}

async function closeAll(opened: readonly OpenVolume[]): Promise<void> {
  await Promise.allSettled(opened.map(({ image }) => image.close()));
}

async function* nothing(): AsyncGenerator<never> {
  // An image that is as it was has no changes.
}
