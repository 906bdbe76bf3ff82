import type { ServerResponse } from 'node:http';
import type { Clock } from '../common/clock.js';
import type { Progress } from '../protocol/api.js';
import { PROTOCOL_HEADER, PROTOCOL_VERSION } from '../protocol/version.js';
import { STREAM_TYPE, type StreamLine } from '../protocol/wire.js';
import { roomIn } from './byte-answer.js';

/** Progress goes out at most this often. */
const PROGRESS_EVERY_MS = 100;

/** The answer to a long operation, line by line; what is written after the client has gone is dropped. */
export class StreamAnswer {
  readonly #response: ServerResponse;
  readonly #clock: Clock;
  #lastProgressMs = -Infinity;
  #pending: Progress | undefined;

  /** Sends the header at once, so that the client knows that its request has arrived. */
  constructor(response: ServerResponse, clock: Clock) {
    this.#response = response;
    this.#clock = clock;
    response.writeHead(200, {
      'content-type': STREAM_TYPE,
      'cache-control': 'no-store',
      [PROTOCOL_HEADER]: PROTOCOL_VERSION,
    });
    response.flushHeaders();
  }

  /** Thinned out; the last one before {@link send} is always sent. */
  progress(progress: Progress): void {
    this.#pending = progress;
    const now = this.#clock.monotonic();
    if (now - this.#lastProgressMs < PROGRESS_EVERY_MS || this.#response.writableNeedDrain) return;
    this.#lastProgressMs = now;
    this.#flushProgress();
  }

  /** Part of the result; resolves when there is room for more, or when the client has gone. */
  async items(items: readonly unknown[]): Promise<void> {
    this.send({ items });
    await roomIn(this.#response);
  }

  send(line: StreamLine): void {
    this.#flushProgress();
    this.#write(line);
  }

  end(): void {
    if (!this.#response.writableEnded) this.#response.end();
  }

  #flushProgress(): void {
    if (this.#pending !== undefined) this.#write({ progress: this.#pending });
    this.#pending = undefined;
  }

  #write(line: StreamLine): void {
    if (!this.#response.destroyed && !this.#response.writableEnded) this.#response.write(`${JSON.stringify(line)}\n`);
  }
}
