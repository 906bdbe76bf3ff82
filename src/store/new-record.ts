import type { ShadowCopyRecord } from './records.js';
import type { VolumeChange } from './shadow-copy-change.js';

/** What is known of a shadow copy or a replica before it is committed. */
export type NewRecord = Omit<ShadowCopyRecord, 'name' | 'storedAtMs' | 'minimumAgeMs' | 'isReplica' | 'change'> & {
  /** How much of its volumes changed since the newest shadow copy; nothing of a replica, which is not judged. */
  readonly changes?: readonly VolumeChange[];
};
