import type { Socket } from 'node:net';
import type { Clock } from '../../../src/common/clock.js';
import { UmbraError } from '../../../src/common/errors.js';
import { COMMAND, type Command } from './constants.js';
import { handshake, type NbdExport } from './handshake.js';
import type { Parser } from './parser.js';
import { replies } from './replies.js';
import { requestHeader, RequestTable, type Request } from './requests.js';
import { openSocket } from './socket.js';

/** What to ask of the server; see {@link Request}. */
export interface Question {
  readonly command: Command;
  readonly flags?: number;
  readonly offset: number;
  readonly length: number;
  readonly target?: Uint8Array;
  /** What a write sends. */
  readonly data?: Uint8Array;
  /** How long the server may take, where that is not as for other requests. */
  readonly timeoutMs?: number;
}

export interface ConnectionOptions {
  readonly socketPath: string;
  readonly exportName: string;
  /** Meta contexts to ask for. */
  readonly contexts: readonly string[];
  readonly clock: Clock;
  /** How long the server may take for the handshake and for each request that says nothing else. */
  readonly timeoutMs: number;
}

const CLOSE_MS = 5000;

/** A connection to one export: sends requests, matches replies, ends everything when one thing goes wrong. */
export class Connection {
  readonly info: NbdExport;
  readonly #link: Link;
  readonly #requests: RequestTable;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  #watching = false;

  private constructor(info: NbdExport, link: Link, requests: RequestTable, clock: Clock, timeoutMs: number) {
    this.info = info;
    this.#link = link;
    this.#requests = requests;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /** @throws {UmbraError} IMAGE_FAILED */
  static async open(options: ConnectionOptions): Promise<Connection> {
    const { socketPath, clock, timeoutMs } = options;
    const requests = new RequestTable();
    const link = await new Promise<Link & { readonly info: NbdExport }>((resolve, reject) => {
      const state: { failure?: UmbraError } = {};
      const session = run(options, requests, (bytes) => socket.write(bytes), established);
      const socket = openSocket(socketPath, session, (reason) => {
        state.failure ??= reason;
        stopWaiting();
        requests.failAll(state.failure);
        reject(state.failure);
      });
      const fail = (reason: UmbraError): void => {
        state.failure ??= reason;
        socket.destroy();
      };
      const stopWaiting = clock.after(timeoutMs, () => {
        fail(new UmbraError('IMAGE_FAILED', `the NBD server did not greet within ${timeoutMs} ms`));
      });
      function established(info: NbdExport): void {
        stopWaiting();
        resolve({ info, socket, fail, failure: () => state.failure });
      }
    });
    return new Connection(link.info, link, requests, clock, timeoutMs);
  }

  /**
   * Send a request and wait for its reply.
   * @throws {UmbraError} IMAGE_FAILED, TARGET_FAILED
   */
  async ask(question: Question): Promise<Request> {
    const { command, flags = 0, offset, length, target, data, timeoutMs = this.#timeoutMs } = question;
    const { socket, failure } = this.#link;
    const over = failure();
    if (over) throw over;
    return await new Promise<Request>((resolve, reject) => {
      const request: Request = {
        command,
        offset,
        length,
        target,
        received: 0,
        statuses: new Map(),
        failure: undefined,
        timeoutMs,
        deadlineMs: this.#clock.monotonic() + timeoutMs,
        finish: (failed) => {
          if (failed) reject(failed);
          else resolve(request);
        },
      };
      const cookie = this.#requests.add(request);
      socket.cork();
      socket.write(requestHeader(command, flags, cookie, offset, length));
      if (data) socket.write(data);
      socket.uncork();
      this.#watch();
    });
  }

  /** Idempotent. Requests under way fail at once, and nothing more comes into their buffers. */
  async close(): Promise<void> {
    const { socket, fail, failure } = this.#link;
    if (socket.closed) return;
    const closed = new Promise<void>((resolve) => socket.once('close', resolve));
    const isIdle = this.#requests.size === 0 && failure() === undefined;
    if (isIdle) socket.end(requestHeader(COMMAND.disconnect, 0, 0, 0, 0));
    const forget = this.#clock.after(CLOSE_MS, () => socket.destroy());
    const reason = new UmbraError('IMAGE_FAILED', 'the NBD connection is closed');
    if (!isIdle) fail(reason);
    await closed;
    forget();
  }

  /** Look whether a request is late, now and then, while there is one. */
  #watch(): void {
    if (this.#watching) return;
    const first = this.#requests.mostUrgent;
    if (first === undefined) return;
    this.#watching = true;
    // One that is sent meanwhile may have to be answered sooner.
    const waitMs = Math.min(first.deadlineMs - this.#clock.monotonic(), this.#timeoutMs);
    this.#clock.after(Math.max(waitMs, 1), () => {
      this.#watching = false;
      const urgent = this.#requests.mostUrgent;
      if (urgent === undefined || urgent.deadlineMs > this.#clock.monotonic()) {
        this.#watch();
        return;
      }
      this.#link.fail(new UmbraError('IMAGE_FAILED', `the NBD server did not answer within ${urgent.timeoutMs} ms`));
    });
  }
}

/** The socket of an established connection, and what ended it. */
interface Link {
  readonly socket: Socket;
  /** End the connection; requests fail with `reason` once it is gone. */
  readonly fail: (reason: UmbraError) => void;
  readonly failure: () => UmbraError | undefined;
}

function* run(
  { exportName, contexts }: ConnectionOptions,
  requests: RequestTable,
  send: (bytes: Buffer) => void,
  established: (info: NbdExport) => void,
): Parser {
  const info = yield* handshake(send, exportName, contexts);
  established(info);
  yield* replies(requests, info);
}
