import { UmbraError } from '../common/errors.js';
import { MOST_OBJECTS, type ObjectKind } from '../protocol/objects-api.js';
import type { FrameResult } from '../store/object-reader.js';

/** Requests for single objects under way; what comes meanwhile waits for the next one. */
const MOST_REQUESTS = 4;

interface Waiting {
  readonly kind: ObjectKind;
  readonly digest: Uint8Array;
  readonly resolve: (result: FrameResult) => void;
  readonly reject: (error: unknown) => void;
}

/** Puts single objects that are wanted at the same time into one request: the longer the way to the server, the more of them. */
export class Batches {
  readonly #send: (kind: ObjectKind, digests: readonly Uint8Array[]) => Promise<FrameResult[]>;
  #waiting: Waiting[] = [];
  #requests = 0;

  constructor(send: (kind: ObjectKind, digests: readonly Uint8Array[]) => Promise<FrameResult[]>) {
    this.#send = send;
  }

  read(kind: ObjectKind, digest: Uint8Array): Promise<FrameResult> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ kind, digest, resolve, reject });
      this.#next();
    });
  }

  #next(): void {
    while (this.#requests < MOST_REQUESTS) {
      const [first] = this.#waiting;
      if (first === undefined) return;
      const batch = this.#waiting.filter(({ kind }) => kind === first.kind).slice(0, MOST_OBJECTS);
      this.#waiting = this.#waiting.filter((waiting) => !batch.includes(waiting));
      this.#requests++;
      void this.#run(first.kind, batch);
    }
  }

  async #run(kind: ObjectKind, batch: readonly Waiting[]): Promise<void> {
    try {
      const results = await this.#send(
        kind,
        batch.map(({ digest }) => digest),
      );
      for (const [index, { resolve, reject }] of batch.entries()) {
        const result = results[index];
        if (result === undefined) reject(new UmbraError('INTERNAL', 'an object is missing in an answer'));
        else resolve(result);
      }
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
    this.#requests--;
    this.#next();
  }
}
