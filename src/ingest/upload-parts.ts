import type { Clock } from '../common/clock.js';
import type { ServerFrame } from '../protocol/ingest.js';
import type { Store } from '../store/store.js';
import type { WorkerPool } from '../workers/pool.js';
import type { HostChunks } from './host-chunks.js';

/** What uploads share. */
export interface UploadParts {
  readonly store: Store;
  readonly pool: WorkerPool;
  readonly clock: Clock;
  readonly hostChunks: HostChunks;
}

/** The connection that an upload has at the moment. */
export interface UploadConnection {
  readonly send: (frame: ServerFrame) => void;
  /** What came before can't be stored: the upload is over. */
  readonly fail: (error: unknown) => void;
}
