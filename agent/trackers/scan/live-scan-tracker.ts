import type { Checkpoint, CheckpointRequest, Tracker } from '../tracker.js';

/**
 * Reads all of a machine that runs, as of one instant: what the guest overwrites meanwhile, QEMU puts aside. Nothing is recorded,
 * so everything is compared each time.
 */
export class LiveScanTracker implements Tracker {
  readonly kind = 'scan';
  readonly #view: Tracker;

  /** @param view - gives stable views, and records nothing */
  constructor(view: Tracker) {
    this.#view = view;
  }

  checkpoint(request: CheckpointRequest): Promise<Checkpoint> {
    return this.#view.checkpoint({ ...request, since: undefined });
  }

  /** Nothing is recorded; what the tracker whose views are read has recorded itself is its own to forget. */
  forget(): Promise<void> {
    return Promise.resolve();
  }
}
