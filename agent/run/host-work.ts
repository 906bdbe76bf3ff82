import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../src/common/clock.js';
import { isUmbraError, messageOf, UmbraError } from '../../src/common/errors.js';
import type { Log } from '../../src/common/log.js';
import type { AgentBackupResult, DiscoveredMachine, DiscoveryReport } from '../../src/protocol/agents-api.js';
import { sendShadowCopy } from '../send/send-shadow-copy.js';
import type { Connect } from '../send/connection.js';
import type { Checkpoint, CheckpointRequest, Tracker } from '../trackers/tracker.js';
import type { AgentWork, BackupTask, ForgetTask } from './agent.js';

export interface HostWorkOptions {
  readonly discover: () => Promise<DiscoveryReport>;
  /** The trackers that a machine can have, the best first. */
  readonly trackers: (machine: DiscoveredMachine, name: string) => Promise<readonly Candidate[]>;
  readonly connect: Connect;
  /** Absolute; the agent's own. */
  readonly stateDirectory: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** A tracker that may do for a machine, or why it does not. */
export type Candidate =
  | { readonly kind: Tracker['kind']; readonly tracker: Tracker }
  | { readonly kind: Tracker['kind']; readonly reason: string };

interface Chosen {
  readonly tracker: Tracker;
  readonly checkpoint: Checkpoint;
  /** Why no better one. */
  readonly reason: string | undefined;
}

/** What an agent does on a host of machines. */
export class HostWork implements AgentWork {
  readonly #options: HostWorkOptions;

  constructor(options: HostWorkOptions) {
    this.#options = options;
  }

  discover(): Promise<DiscoveryReport> {
    return this.#options.discover();
  }

  async backUp(task: BackupTask, machine: DiscoveredMachine, signal: AbortSignal): Promise<AgentBackupResult> {
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
        base: task.base,
        connect,
        fingerprintFile: (volume) => join(stateDirectory, 'fingerprints', name, volume),
        clock,
        signal,
      });
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

  async forget({ machine: { name } }: ForgetTask, machine: DiscoveredMachine): Promise<void> {
    for (const candidate of await this.#options.trackers(machine, name)) {
      if ('tracker' in candidate) await candidate.tracker.forget();
    }
    await rm(join(this.#options.stateDirectory, 'fingerprints', name), { recursive: true, force: true });
  }

  /** A checkpoint by the tracker that is wanted; by the best that can make one, if none is. */
  async #checkpoint(task: BackupTask, machine: DiscoveredMachine, request: CheckpointRequest): Promise<Chosen> {
    const { name, tracker: choice } = task.machine;
    const all = await this.#options.trackers(machine, name);
    // Overlays change what the machine starts from: only who asks for them gets them.
    const candidates = all.filter(({ kind }) => (choice === 'auto' ? kind !== 'differencing' : kind === choice));
    for (const other of all) if (!candidates.includes(other)) await letGo(other);
    const reasons = candidates.length === 0 ? [`this version of the agent has no ${choice}`] : [];
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

/** Why the last tracker failed is of little help without why no better one would do. */
function withReasons(error: unknown, reasons: readonly string[]): unknown {
  if (!isUmbraError(error) || reasons.length === 0) return error;
  const hint = error.hint === undefined ? {} : { hint: error.hint };
  return new UmbraError(error.code, `${error.message} (${reasons.join('; ')})`, { ...hint, cause: error });
}

/** Take away what a tracker of an earlier choice has left in the machine's way. */
async function letGo(candidate: Candidate): Promise<void> {
  if ('tracker' in candidate && (await candidate.tracker.isInUse?.()) === true) await candidate.tracker.forget();
}
