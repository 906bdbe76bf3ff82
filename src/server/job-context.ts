import type { Progress } from '../protocol/api.js';

/** What a long operation is given besides its request. */
export interface JobContext {
  /**
   * Aborted when the client is gone or the server stops. The operation ends soon after with
   * {@link UmbraError} CANCELLED, and leaves nothing half done visible.
   */
  readonly signal: AbortSignal;
  /** May be called as often as is handy; the server thins it out. */
  readonly progress: (progress: Progress) => void;
}
