import type { Tracker } from '../trackers/tracker.js';

/** A tracker that may do for a machine, or why it does not. */
export type Candidate =
  | { readonly kind: Tracker['kind']; readonly tracker: Tracker }
  | { readonly kind: Tracker['kind']; readonly reason: string };
