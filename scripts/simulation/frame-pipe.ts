import type { WireFrame } from '../../src/protocol/frames.js';
import { ConnectionLost } from '../../src/ingest/failable-frames.js';

interface Taken {
  readonly resolve: (result: IteratorResult<WireFrame, void>) => void;
  readonly reject: (error: unknown) => void;
}

/** Frames on their way to a server, without a network. */
export class FramePipe implements AsyncIterator<WireFrame, void> {
  readonly #frames: WireFrame[] = [];
  #taken: Taken | undefined;
  #lost: Error | undefined;

  next(): Promise<IteratorResult<WireFrame, void>> {
    const frame = this.#frames.shift();
    if (frame !== undefined) return Promise.resolve({ value: frame, done: false });
    if (this.#lost !== undefined) return Promise.reject(this.#lost);
    return new Promise((resolve, reject) => {
      this.#taken = { resolve, reject };
    });
  }

  say(header: object, body: Buffer = Buffer.alloc(0)): void {
    const frame = { header: { ...header }, body };
    const taken = this.#taken;
    this.#taken = undefined;
    if (taken === undefined) this.#frames.push(frame);
    else taken.resolve({ value: frame, done: false });
  }

  /** The connection is lost. */
  cut(): void {
    this.#lost = new ConnectionLost('the network is cut');
    this.#taken?.reject(this.#lost);
    this.#taken = undefined;
  }
}
