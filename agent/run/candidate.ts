import type { Tracker } from '../trackers/tracker.js';

/** A tracker that may do for a machine, or why it does not. */
export type Candidate = Kind & ({ readonly tracker: Tracker } | { readonly reason: string });

interface Kind {
  readonly kind: Tracker['kind'];
  /** It takes files as they lie, which only who asks for it gets; others read disks. */
  readonly asIs?: boolean;
}
