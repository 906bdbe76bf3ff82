import type { KvOperation } from './kv.js';

interface QueuedWrite {
  readonly operations: readonly KvOperation[];
  readonly sync: boolean;
  readonly bytes: number;
  readonly settle: (written: Promise<void>) => void;
}

type Queued = QueuedWrite | { readonly alone: () => Promise<void> };

// One sync covers everything that waits, as long as the joint batch stays small.
const GROUP_BYTES = 1024 * 1024;

/** Bytes of the keys and values of `operations`. */
export function operationBytes(operations: readonly KvOperation[]): number {
  let bytes = 0;
  for (const operation of operations) {
    bytes += operation.key.length + (operation.type === 'put' ? operation.value.length : 0);
  }
  return bytes;
}

/**
 * Lets one batch at a time through, in order, and joins small ones that wait (group commit).
 *
 * LevelDB would queue writers itself, but each would hold a thread of libuv's small pool, and a
 * batch that follows a failed one would be acknowledged although the log is torn before it.
 */
export class WriteQueue {
  readonly #apply: (operations: readonly KvOperation[], sync: boolean) => Promise<void>;
  readonly #queue: Queued[] = [];
  #draining: Promise<void> | undefined;

  /** @param apply writes one batch, atomically; never called while it still runs. */
  constructor(apply: (operations: readonly KvOperation[], sync: boolean) => Promise<void>) {
    this.#apply = apply;
  }

  write(operations: readonly KvOperation[], sync: boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#push({ operations, sync, bytes: operationBytes(operations), settle: resolve });
    });
  }

  /** Run `task` when no batch is being written, and none while it runs. */
  alone(task: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#push({ alone: () => task().then(resolve, reject) });
    });
  }

  /** Resolves when everything that is queued has been done. */
  async idle(): Promise<void> {
    await this.#draining;
  }

  #push(queued: Queued): void {
    this.#queue.push(queued);
    this.#draining ??= this.#drain();
  }

  async #drain(): Promise<void> {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      if ('alone' in next) await next.alone();
      else await this.#writeGroup(this.#group(next));
    }
    this.#draining = undefined;
  }

  #group(first: QueuedWrite): QueuedWrite[] {
    const group = [first];
    let bytes = first.bytes;
    for (let next = this.#queue[0]; next !== undefined && !('alone' in next); next = this.#queue[0]) {
      bytes += next.bytes;
      if (bytes > GROUP_BYTES) break;
      group.push(next);
      this.#queue.shift();
    }
    return group;
  }

  async #writeGroup(group: readonly QueuedWrite[]): Promise<void> {
    const operations =
      group.length === 1 && group[0] ? group[0].operations : group.flatMap((write) => write.operations);
    const written = this.#apply(
      operations,
      group.some((write) => write.sync),
    );
    for (const write of group) write.settle(written);
    // The writers get the error; the queue goes on.
    await written.catch(() => undefined);
  }
}
