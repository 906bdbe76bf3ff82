import { UmbraError } from '../../src/common/errors.js';
import type { Clock } from '../../src/common/clock.js';
import type { Log } from '../../src/common/log.js';
import type { CheckpointScripts } from '../checkpoints/scripts.js';
import type { CheckpointRequest } from './tracker.js';

/** What every tracker that brings a machine to a standstill is told. */
export interface MachineTrackerOptions {
  readonly machine: string;
  /** Absolute, durable, for this machine alone; is there. */
  readonly stateDirectory: string;
  /** False: leave the guest agent alone. */
  readonly quiesce?: boolean;
  /** How long the guest may take to bring its file systems to rest; 10 s when absent. */
  readonly freezeMs?: number;
  /** How long what is done at the standstill may take; 10 s when absent. */
  readonly actionMs?: number;
  readonly scripts?: CheckpointScripts;
  readonly clock?: Clock;
  readonly log?: Log;
}

/** What those are told that read a running machine through a view of QEMU's. */
export interface ViewTrackerOptions extends MachineTrackerOptions {
  /** Absolute, for this machine alone, with room for what the guest overwrites during a backup; is there. QEMU's user can enter it. */
  readonly scratchDirectory: string;
  /** Where the NBD socket is made, a short path that QEMU may use; the directory for temporary files when absent. */
  readonly runtimeDirectory?: string;
  /** False: only the view is wanted, nothing is recorded for the next checkpoint. */
  readonly records?: boolean;
}

const ID = /^[a-z0-9]{1,32}$/;

/** @throws {UmbraError} INTERNAL for what can't name a checkpoint: it becomes a part of file names and of bitmaps' names */
export function checkCheckpointId({ id, since }: CheckpointRequest): void {
  if (!ID.test(id) || id === since) throw new UmbraError('INTERNAL', `"${id}" cannot name a checkpoint`);
}
