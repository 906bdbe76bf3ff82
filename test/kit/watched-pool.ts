import type { WorkerReplies, WorkerRequest } from '../../src/workers/messages.js';
import { WorkerPool } from '../../src/workers/pool.js';

/** A pool that notes what it is asked for. */
export class WatchedPool extends WorkerPool {
  readonly requests: WorkerRequest[] = [];

  override run<R extends WorkerRequest>(request: R): Promise<WorkerReplies[R['op']]> {
    this.requests.push(request);
    return super.run(request);
  }

  /** Operations so far of one kind. */
  count(op: WorkerRequest['op']): number {
    return this.requests.filter((request) => request.op === op).length;
  }
}
