import type { Clock } from '../common/clock.js';
import type { JobKind } from '../protocol/jobs-api.js';
import type { ServerFrame } from '../protocol/ingest.js';
import type { Store } from '../store/store.js';
import type { WorkerPool } from '../workers/pool.js';
import type { HostChunks } from './host-chunks.js';

/** What an upload works with. */
export interface UploadParts {
  readonly store: Store;
  readonly pool: WorkerPool;
  readonly clock: Clock;
  readonly hostChunks: HostChunks;
  /** What becomes of it. */
  readonly kind: JobKind;
}

/** The connection that an upload has at the moment. */
export interface UploadConnection {
  readonly send: (frame: ServerFrame) => void;
  /** What came before can't be stored: the upload is over. */
  readonly fail: (error: unknown) => void;
}
