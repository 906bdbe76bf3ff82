import { Batch } from './batch.js';
import type { LogRecord } from './records.js';

/** Records on their way to the disk, in their order. Who comes while a batch is written shares the next one. */
export class CommitQueue {
  readonly #write: (records: readonly LogRecord[]) => Promise<void>;
  #queue: LogRecord[] = [];
  #queued: Batch | undefined;
  #writing: Batch | undefined;

  /** @param write - makes records durable, or fails those who wait for them */
  constructor(write: (records: readonly LogRecord[]) => Promise<void>) {
    this.#write = write;
  }

  /** @returns a promise of its durability */
  add(record: LogRecord): Promise<void> {
    this.#queue.push(record);
    this.#queued ??= new Batch();
    const { done } = this.#queued;
    if (this.#writing === undefined) void this.#writeAll();
    return done;
  }

  /** Everything that was added until now is durable when this resolves. */
  async outstanding(): Promise<void> {
    await Promise.all([this.#writing?.done, this.#queued?.done]);
  }

  async #writeAll(): Promise<void> {
    while (this.#queued !== undefined) {
      const [records, batch] = [this.#queue, this.#queued];
      this.#queue = [];
      this.#queued = undefined;
      this.#writing = batch;
      await this.#write(records).then(batch.resolve, batch.reject);
      this.#writing = undefined;
    }
  }
}
