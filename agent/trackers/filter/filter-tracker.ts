import { createHash } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { UmbraError } from '../../../src/common/errors.js';
import type { Consistency } from '../../../src/protocol/api.js';
import { flushHostCache } from '../../checkpoints/flush-host-cache.js';
import { FilterClient } from '../../filter/control/filter-client.js';
import { controlSocket } from '../../filter/control/socket-path.js';
import type { Checkpoint, CheckpointRequest, Tracker } from '../tracker.js';
import { filesOf, type VolumeFiles } from './chain-files.js';
import { openQcow2Volume, openRawVolume, type Begun, type FilterVolume, type OpenVolume } from './view-volume.js';

/**
 * Brings the machine to a standstill, does something, and lets it go on whatever happens; the signal that the action gets says
 * that it is let go on before the something is done (`agent/checkpoints`).
 * @param signal - the checkpoint is not wanted any more
 */
export type BringToStandstill = <T>(
  action: (signal: AbortSignal) => Promise<T>,
  signal: AbortSignal,
) => Promise<Standstill<T>>;

export interface Standstill<T> {
  readonly result: T;
  readonly consistency: Consistency;
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  /** How long the guest stood still, the filter's part in it; undefined if nothing but the filter held it. */
  readonly pauseMs: number | undefined;
  /** For people: why the consistency is not better. */
  readonly remarks: readonly string[];
}

export interface FilterTrackerOptions {
  /** The machine; its checkpoints are its own. */
  readonly machine: string;
  readonly volumes: readonly FilterVolume[];
  /** The state directory of the filter over the directory of the images. */
  readonly filterState: string;
  /** Where the tracker keeps tables of qcow2 images; made if it is not there. */
  readonly state: string;
  /** Without it the filter alone holds all writes for an instant: every volume is as after a power cut. */
  readonly standstill?: BringToStandstill;
  /** The machine's configuration files, read just before it stands still. */
  readonly config?: () => Promise<Checkpoint['config']>;
}

/** Volumes in the directory of a filter (`agent/filter`): raw images, and qcow2 with what is behind them. */
export class FilterTracker implements Tracker {
  readonly kind = 'filter';
  readonly #options: FilterTrackerOptions;

  constructor(options: FilterTrackerOptions) {
    this.#options = options;
  }

  async checkpoint(request: CheckpointRequest): Promise<Checkpoint> {
    const wanted = this.#options.volumes.filter(({ name }) => request.volumes?.includes(name) ?? true);
    refuseFormats(wanted);
    await mkdir(this.#tables(), { recursive: true, mode: 0o700 });
    const client = await FilterClient.connect(controlSocket(this.#options.filterState));
    try {
      return await this.#checkpoint(request, wanted, client);
    } catch (error) {
      // With the connection the view ends, if there is one.
      client.close();
      throw error;
    }
  }

  async #checkpoint(
    request: CheckpointRequest,
    wanted: readonly FilterVolume[],
    client: FilterClient,
  ): Promise<Checkpoint> {
    const { directory } = await client.status();
    const found = await Promise.all(wanted.map((volume) => filesOf(volume, directory)));
    refuseCancelled(request.signal);
    const { answer, config, ...recorded } = await this.#record(request, found, client);
    const begun = { client, answer };
    const opened: OpenVolume[] = [];
    const close = async (): Promise<void> => {
      await Promise.allSettled(opened.map((volume) => volume.close()));
      await client.end(answer.token).catch(() => undefined);
      client.close();
    };
    try {
      for (const files of found) {
        refuseCancelled(request.signal);
        opened.push(await this.#open(files, begun, request));
      }
      await this.#forgetTables(request);
    } catch (error) {
      await close();
      throw error;
    }
    return {
      id: request.id,
      timeMs: recorded.timeMs,
      consistency: recorded.consistency,
      pauseMs: recorded.pauseMs,
      notes: [...recorded.remarks, ...notesOf(opened, request)],
      volumes: opened.map(({ volume }) => volume),
      config,
      acknowledge: () => client.acknowledge(answer.token),
      close,
    };
  }

  async #record(
    { id, since, signal: unwanted }: CheckpointRequest,
    found: readonly VolumeFiles[],
    client: FilterClient,
  ): Promise<Recorded> {
    const { machine, standstill, config } = this.#options;
    // Before: no guest waits for a hypervisor that takes its time.
    const read = (await config?.()) ?? [];
    const record = async (signal?: AbortSignal): Promise<Pick<Recorded, 'answer' | 'config'>> => {
      // Then nothing may be kept of it: the view ends with the connection.
      const giveUp = (): void => {
        client.close();
      };
      signal?.addEventListener('abort', giveUp, { once: true });
      const files = found.flatMap((of) => of.files);
      const wish = { group: machine, id, files, ...(since === undefined ? {} : { since }) };
      try {
        return { answer: await client.begin(wish), config: read };
      } finally {
        signal?.removeEventListener('abort', giveUp);
      }
    };
    if (standstill !== undefined) {
      await flushHostCache(found.map(({ volume }) => volume.path));
      const { result, ...still } = await standstill(record, unwanted);
      return { ...still, ...result, pauseMs: still.pauseMs ?? result.answer.pauseMs };
    }
    const { answer } = await record();
    return { answer, config: read, consistency: 'crash', timeMs: answer.timeMs, pauseMs: answer.pauseMs, remarks: [] };
  }

  async #open({ volume, files, outside }: VolumeFiles, begun: Begun, request: CheckpointRequest): Promise<OpenVolume> {
    const viewed = files.flatMap(({ name }) => begun.answer.files.find((of) => of.name === name) ?? []);
    const [top] = viewed;
    if (top === undefined) throw new UmbraError('TRACKER_FAILED', `the filter gave no view of ${volume.path}`);
    if (volume.format === 'raw') return await openRawVolume(volume, top, begun);
    const opened = await openQcow2Volume(volume, viewed, begun, {
      before: request.since === undefined ? undefined : this.#tablesOf(volume, request.since),
      now: this.#tablesOf(volume, request.id),
    });
    if (outside === undefined) return opened;
    return { ...opened, unknown: outside, volume: { ...opened.volume, changesKnown: false } };
  }

  async forget(): Promise<void> {
    const client = await FilterClient.connect(controlSocket(this.#options.filterState));
    try {
      await client.forget(this.#options.machine);
    } finally {
      client.close();
    }
    await rm(this.#tables(), { recursive: true, force: true });
  }

  /** A machine may be called anything. */
  #tables(): string {
    return join(this.#options.state, hash(this.#options.machine));
  }

  #tablesOf(volume: FilterVolume, checkpoint: string): string {
    return join(this.#tables(), `${checkpoint}-${hash(volume.name)}`);
  }

  /** The server has `since` or this one: older ones are not asked for again. */
  async #forgetTables({ id, since }: CheckpointRequest): Promise<void> {
    for (const name of await readdir(this.#tables())) {
      const [checkpoint] = name.split('-');
      if (checkpoint !== id && checkpoint !== since) await rm(join(this.#tables(), name), { force: true });
    }
  }
}

interface Recorded extends Omit<Standstill<unknown>, 'result' | 'pauseMs'> {
  readonly pauseMs: number;
  readonly answer: Begun['answer'];
  readonly config: Checkpoint['config'];
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}

function refuseFormats(volumes: readonly FilterVolume[]): void {
  const other = volumes.find(({ format }) => format !== 'raw' && format !== 'qcow2');
  if (other === undefined) return;
  throw new UmbraError(
    'TRACKER_UNAVAILABLE',
    `${other.path} is a ${other.format} image, which the filter does not follow`,
    {
      hint: 'Use the tracker "scan".',
    },
  );
}

function refuseCancelled(signal: AbortSignal): void {
  if (signal.aborted) throw new UmbraError('CANCELLED', 'the checkpoint was cancelled', { cause: signal.reason });
}

/** Why changes are not known; of a first checkpoint nobody asks. */
function notesOf(opened: readonly OpenVolume[], { since }: CheckpointRequest): readonly string[] {
  if (since === undefined) return [];
  return opened.flatMap(({ volume, unknown }) => (unknown === undefined ? [] : [`${volume.name}: ${unknown}`]));
}
