import { makeCompressor } from '../../src/codec/compression.js';
import type { WorkerReplies, WorkerRequest, WorkerSettings } from '../../src/workers/messages.js';
import { perform } from '../../src/workers/perform.js';
import { WorkerPool } from '../../src/workers/pool.js';

/** Does what workers do at once and in this thread: threads end in an order that no seed repeats. */
export class InlinePool extends WorkerPool {
  readonly #perform: (request: WorkerRequest) => WorkerReplies[keyof WorkerReplies];

  constructor(settings: WorkerSettings) {
    super(settings, 4);
    const compressor = settings.compression && makeCompressor(settings.compression);
    this.#perform = (request) => perform(request, settings, compressor);
  }

  override async run<R extends WorkerRequest>(request: R): Promise<WorkerReplies[R['op']]> {
    await Promise.resolve();
    return this.#perform(request) as WorkerReplies[R['op']];
  }
}
