import { isUmbraError } from '../../src/common/errors.js';
import type { DiscoveredMachine, DiscoveryReport, ProtectedMachine } from '../../src/protocol/agents-api.js';
import type { Candidate } from './candidate.js';
import { findMachine } from './find-machine.js';

interface Sources {
  readonly discover: () => Promise<DiscoveryReport>;
  readonly trackers: (machine: DiscoveredMachine, name: string) => Promise<readonly Candidate[]>;
}

interface Candidates {
  readonly candidates: readonly Candidate[];
  /** Why others could not let go of the machine, for people: it is tried again the next time, and a backup is better than none. */
  readonly kept: readonly string[];
}

/**
 * The trackers that may make a checkpoint of a machine, the best first. What others have left in its way is gone then, and its
 * disks may be other files than they were found to be.
 * @throws {UmbraError} NOT_FOUND
 */
export async function candidatesFor(
  { discover, trackers }: Sources,
  wanted: ProtectedMachine,
  machine: DiscoveredMachine,
): Promise<Candidates> {
  const all = await trackers(machine, wanted.name);
  const kept: string[] = [];
  let isOther = false;
  for (const other of all) {
    if (isWanted(other, wanted) || !('tracker' in other)) continue;
    try {
      if ((await other.tracker.isInUse?.()) !== true) continue;
      // Also if it can let go of some disks only.
      isOther = true;
      await other.tracker.forget();
    } catch (error) {
      if (!isUmbraError(error, 'TRACKER_FAILED', 'TRACKER_BUSY')) throw error;
      kept.push(`${other.kind} could not let go of the machine: ${error.message}`);
    }
  }
  const now = isOther ? await trackers(findMachine(await discover(), wanted), wanted.name) : all;
  return { candidates: now.filter((candidate) => isWanted(candidate, wanted)), kept };
}

function isWanted({ kind, asIs: isAsIs = false }: Candidate, { tracker, asIs = false }: ProtectedMachine): boolean {
  if (asIs || isAsIs) return asIs === isAsIs;
  // Overlays change what the machine starts from: only who asks for them gets them.
  return tracker === 'auto' ? kind !== 'differencing' : kind === tracker;
}
