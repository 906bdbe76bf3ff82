import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../src/common/clock.js';
import { isUmbraError, messageOf, UmbraError } from '../../src/common/errors.js';
import type { Log } from '../../src/common/log.js';
import type {
  AgentBackupResult,
  AgentLimits,
  DiscoveredMachine,
  DiscoveryReport,
} from '../../src/protocol/agents-api.js';
import { Bandwidth } from '../send/bandwidth.js';
import { KeptPools } from '../send/kept-pools.js';
import { sendShadowCopy } from '../send/send-shadow-copy.js';
import type { Connect } from '../send/connection.js';
import { throttled } from '../send/throttled.js';
import type { Checkpoint, CheckpointRequest, Tracker } from '../trackers/tracker.js';
import type { AgentWork, BackupTask, ForgetTask } from './agent.js';
import type { Candidate } from './candidate.js';
import { candidatesFor } from './candidates-for.js';
import { asFullDisk } from './full-disk.js';
import { noteTracker } from './last-tracker.js';
import { Turns } from './turns.js';
import { Unfinished } from './unfinished.js';

export interface HostWorkOptions {
  readonly discover: () => Promise<DiscoveryReport>;
  /** The trackers that a machine can have, the best first. */
  readonly trackers: (machine: DiscoveredMachine, name: string) => Promise<readonly Candidate[]>;
  readonly connect: Connect;
  /** Absolute; the agent's own. */
  readonly stateDirectory: string;
  readonly clock: Clock;
  readonly log: Log;
  /** How long after the first try the next one comes to tidy up in a machine that can't be reached; 5 s when absent. */
  readonly recoverAgainMs?: number;
}

const RECOVER_AGAIN_MS = 5000;
const LONGEST_RECOVER_MS = 300_000;

interface Chosen {
  readonly tracker: Tracker;
  readonly checkpoint: Checkpoint;
  /** Why no better one. */
  readonly reason: string | undefined;
}

/** What an agent does on a host of machines. */
export class HostWork implements AgentWork {
  readonly #options: HostWorkOptions;
  readonly #unfinished: Unfinished;
  /** Of all backups together. */
  readonly #bandwidth: Bandwidth;
  readonly #pools: KeptPools;
  /** A backup that was cancelled may still be on its way out of a machine when the next one comes. */
  readonly #turns = new Turns();
  readonly #running = new Set<string>();
  #stopRecovering = (): void => undefined;

  constructor(options: HostWorkOptions) {
    this.#options = options;
    this.#bandwidth = new Bandwidth(options.clock);
    this.#pools = new KeptPools(options.clock);
    this.#unfinished = new Unfinished(join(options.stateDirectory, 'machines'));
  }

  /** When no backup runs any more. */
  async close(): Promise<void> {
    await this.#pools.close();
  }

  discover(): Promise<DiscoveryReport> {
    return this.#options.discover();
  }

  limit({ bytesPerSecond }: AgentLimits): void {
    this.#bandwidth.limit(bytesPerSecond);
  }

  async backUp(task: BackupTask, machine: DiscoveredMachine, signal: AbortSignal): Promise<AgentBackupResult> {
    const { name } = task.machine;
    const backUp = async (): Promise<AgentBackupResult> => {
      signal.throwIfAborted();
      await this.#unfinished.begin(name, machine);
      this.#running.add(name);
      try {
        const result = await this.#backUp(task, machine, signal);
        await this.#unfinished.end(name);
        return result;
      } catch (error) {
        // What broke off may have left something: libvirt was killed in the midst of it, for one.
        this.#recoverLater(0);
        throw error;
      } finally {
        this.#running.delete(name);
      }
    };
    return await this.#turns.take(name, backUp).catch(rethrow);
  }

  async #noteTracker(name: string, machine: DiscoveredMachine, tracker: Tracker['kind']): Promise<void> {
    const { stateDirectory, trackers, log } = this.#options;
    const tracked = { name, directory: join(stateDirectory, 'machines', name) };
    await noteTracker(tracked, tracker, () => trackers(machine, name), log);
  }

  async recover(signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => {
      this.#stopRecovering();
    });
    await this.#recoverAll(0);
  }

  /** What runs tidies up itself. */
  async #recoverAll(tries: number): Promise<void> {
    const left = [...(await this.#unfinished.list())].filter(([name]) => !this.#running.has(name));
    const done = await Promise.allSettled(
      left.map(([name, machine]) => this.#turns.take(name, () => this.#recover(name, machine))),
    );
    const failures = done.flatMap((result) => (result.status === 'rejected' ? [messageOf(result.reason)] : []));
    if (failures.length === 0) return;
    if (tries === 0)
      this.#options.log.warn('what backups left in machines cannot be taken away yet', {
        error: failures.join('; '),
      });
    this.#recoverLater(tries + 1);
  }

  /** @param tries - how often it was tried in vain: the more, the later the next one */
  #recoverLater(tries: number): void {
    const { clock, log, recoverAgainMs = RECOVER_AGAIN_MS } = this.#options;
    this.#stopRecovering();
    const waitMs = tries === 0 ? 0 : Math.min(recoverAgainMs * 2 ** (tries - 1), LONGEST_RECOVER_MS);
    this.#stopRecovering = clock.after(waitMs, () => {
      this.#recoverAll(tries).catch((error: unknown) => {
        log.error('what backups left cannot be read', { error: messageOf(error) });
      });
    });
  }

  /** Nothing, if a backup did it meanwhile. */
  async #recover(name: string, machine: DiscoveredMachine): Promise<void> {
    if (!(await this.#unfinished.list()).has(name)) return;
    for (const candidate of await this.#options.trackers(machine, name)) {
      if ('tracker' in candidate) await candidate.tracker.recover?.();
    }
    await this.#unfinished.end(name);
  }

  async #backUp(task: BackupTask, machine: DiscoveredMachine, signal: AbortSignal): Promise<AgentBackupResult> {
    const { connect, clock, stateDirectory, log } = this.#options;
    const { name, volumes } = task.machine;
    const request: CheckpointRequest = {
      id: randomBytes(10).toString('hex'),
      since: task.base?.checkpoint,
      ...(volumes === undefined ? {} : { volumes }),
      signal,
    };
    const { tracker, checkpoint, reason } = await this.#checkpoint(task, machine, request);
    try {
      const sent = await sendShadowCopy({
        machine: name,
        tracker: tracker.kind,
        checkpoint,
        trackerReason: reason,
        base: task.base,
        connect: throttled(connect, this.#bandwidth.share()),
        fingerprintFile: (volume) => join(stateDirectory, 'fingerprints', name, volume),
        pools: this.#pools,
        clock,
        signal,
      });
      // Before this checkpoint notes what the images are like, to which taking away bitmaps writes.
      await this.#noteTracker(name, machine, tracker.kind);
      await checkpoint.acknowledge().catch((error: unknown) => {
        log.warn('what was kept for the checkpoint before could not be taken away', {
          machine: name,
          error: messageOf(error),
        });
      });
      const { consistency, pauseMs, notes } = checkpoint;
      const { kind } = tracker;
      return {
        ...sent,
        tracker: kind,
        ...(reason === undefined ? {} : { trackerReason: reason }),
        consistency,
        pauseMs,
        notes,
      };
    } finally {
      await checkpoint.close();
    }
  }

  async forget(task: ForgetTask, machine: DiscoveredMachine): Promise<void> {
    await this.#turns.take(task.machine.name, () => this.#forget(task, machine)).catch(rethrow);
  }

  async #forget({ machine: { name } }: ForgetTask, machine: DiscoveredMachine): Promise<void> {
    const problems: unknown[] = [];
    for (const candidate of await this.#options.trackers(machine, name)) {
      // What one can't take away keeps no other from it.
      if ('tracker' in candidate) await candidate.tracker.forget().catch((error: unknown) => problems.push(error));
    }
    if (problems.length > 0) throw problems[0];
    await rm(join(this.#options.stateDirectory, 'fingerprints', name), { recursive: true, force: true });
    await this.#unfinished.end(name);
  }

  /** A checkpoint by the tracker that is wanted; by the best that can make one, if none is. */
  async #checkpoint(task: BackupTask, machine: DiscoveredMachine, request: CheckpointRequest): Promise<Chosen> {
    const { name, tracker: choice } = task.machine;
    const { candidates, kept } = await candidatesFor(this.#options, task.machine, machine);
    const reasons = candidates.length === 0 ? [`this version of the agent has no ${choice}`] : [...kept];
    for (const candidate of candidates) {
      if ('reason' in candidate) {
        reasons.push(`${candidate.kind}: ${candidate.reason}`);
        continue;
      }
      const { tracker } = candidate;
      try {
        const checkpoint = await tracker.checkpoint(request);
        return { tracker, checkpoint, reason: reasons.length === 0 ? undefined : reasons.join('; ') };
      } catch (error) {
        if (choice !== 'auto' || !isUmbraError(error, 'TRACKER_UNAVAILABLE', 'TRACKER_BUSY')) {
          throw withReasons(error, reasons);
        }
        reasons.push(`${tracker.kind}: ${error.message}`);
      }
    }
    throw new UmbraError('TRACKER_UNAVAILABLE', `no tracker can make a checkpoint of ${name}: ${reasons.join('; ')}`, {
      hint: 'Choose another with umbra protect MACHINE --tracker TRACKER.',
    });
  }
}

function rethrow(error: unknown): never {
  throw asFullDisk(error);
}

/** Why the last tracker failed is of little help without why no better one would do. */
function withReasons(error: unknown, reasons: readonly string[]): unknown {
  if (!isUmbraError(error) || reasons.length === 0) return error;
  const hint = error.hint === undefined ? {} : { hint: error.hint };
  return new UmbraError(error.code, `${error.message} (${reasons.join('; ')})`, { ...hint, cause: error });
}
