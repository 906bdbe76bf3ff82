import { UmbraError } from '../common/errors.js';

/** What kinds of operation there are, as far as running at the same time goes. */
export type OperationKind =
  | 'backup'
  | 'list'
  | 'restore'
  | 'export'
  | 'diff'
  | 'forget'
  | 'gc'
  | 'verify'
  | 'rebuild'
  | 'stats'
  | 'mount'
  | 'unmount'
  | 'files'
  | 'copy'
  | 'share'
  | 'keys'
  | 'policies'
  | 'machines'
  | 'lease'
  | 'request'
  | 'replica'
  | 'agent'
  | 'jobs'
  | 'alerts'
  | 'scrub'
  | 'damage';

/** An operation that runs or wants to. */
export interface Claim {
  readonly kind: OperationKind;
  /** The machine that a backup is of, or a request for one. */
  readonly machine?: string;
}

/** Operations after which the newest shadow copy of a machine, or what its policy accepts, may be another one. */
const CHANGE_DATA_LOSS: readonly OperationKind[] = ['backup', 'request', 'forget', 'rebuild', 'policies', 'machines'];

/** True if the data loss of a machine may be another one after an operation. */
export function changesDataLoss({ kind }: Claim): boolean {
  return CHANGE_DATA_LOSS.includes(kind);
}

/**
 * Say whether `wanted` may run beside what is running. The store is safe for every pair that is
 * not refused here; ARCHITECTURE.md has the table of all pairs and why.
 *
 * | beside      | backup           | gc | rebuild | mounted | all others |
 * |-------------|------------------|----|---------|---------|------------|
 * | backup      | another machine  | ✓  | –       | ✓       | ✓          |
 * | gc          | ✓                | –  | –       | ✓       | ✓          |
 * | rebuild     | –                | –  | –       | –       | –          |
 * | all others  | ✓                | ✓  | –       | ✓       | ✓          |
 *
 * @throws {UmbraError} MACHINE_BUSY, STORE_IN_USE
 */
export function refuseConflict(wanted: Claim, running: readonly Claim[], mountPoints: readonly string[]): void {
  for (const other of running) {
    const error = conflict(wanted, other);
    if (error !== undefined) throw error;
  }
  const [mountPoint] = mountPoints;
  if (wanted.kind === 'rebuild' && mountPoint !== undefined) {
    throw new UmbraError('STORE_IN_USE', `the store is mounted at ${mountPoint}`, {
      hint: `Rebuilding needs the store for itself: run "umbra unmount ${mountPoint}" first.`,
    });
  }
}

function conflict(wanted: Claim, other: Claim): UmbraError | undefined {
  if (wanted.kind === 'backup' && other.kind === 'backup' && wanted.machine === other.machine) {
    return new UmbraError('MACHINE_BUSY', `a backup of ${wanted.machine ?? 'the machine'} is running`, {
      hint: 'Wait until it has ended; "umbra status" shows what runs.',
    });
  }
  if (other.kind === 'rebuild') {
    return new UmbraError('STORE_IN_USE', 'the store is being rebuilt', {
      hint: 'Wait until it has ended; "umbra status" shows what runs.',
    });
  }
  if (wanted.kind === 'rebuild' || (wanted.kind === 'gc' && other.kind === 'gc')) {
    return new UmbraError('STORE_IN_USE', `the store is in use: ${describe(other)} is running`, {
      hint: 'Try again when it has ended; "umbra status" shows what runs.',
    });
  }
  return undefined;
}

function describe(claim: Claim): string {
  if (claim.machine !== undefined) return `a ${claim.kind} of ${claim.machine}`;
  return `"${claim.kind}"`;
}
