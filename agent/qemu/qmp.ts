import { systemClock, type Clock } from '../../src/common/clock.js';
import { UmbraError } from '../../src/common/errors.js';
import { LineSocket } from './line-socket.js';
import { QmpState, WHAT, type QmpEvent } from './qmp-state.js';

export interface QmpOptions {
  readonly socketPath: string;
  readonly clock?: Clock;
  /** How long QEMU may take to greet; 5 s when absent. It greets one client at a time. */
  readonly greetingMs?: number;
}

/** An event that is waited for. */
export interface ExpectedEvent {
  /** @throws {UmbraError} TRACKER_FAILED if it does not come in time, or the connection ends */
  wait(timeoutMs: number): Promise<QmpEvent>;
  /** It is not waited for any more. Idempotent. */
  cancel(): void;
}

/** The description of a few hundred disks with long chains takes 2 MiB. */
const MAX_LINE_BYTES = 16 * 1024 * 1024;
const COMMAND_MS = 30_000;
const GREETING_MS = 5000;

/** A connection to a QMP socket. Commands may run side by side; QEMU does them one by one. */
export class QmpClient {
  readonly #link: LineSocket;
  readonly #state: QmpState;
  readonly #clock: Clock;

  private constructor(link: LineSocket, state: QmpState, clock: Clock) {
    this.#link = link;
    this.#state = state;
    this.#clock = clock;
  }

  /**
   * Connect and agree on the protocol.
   * @throws {UmbraError} TRACKER_BUSY when another program holds the socket, TRACKER_UNAVAILABLE when QEMU does not run,
   * TRACKER_FAILED
   */
  static async open(options: QmpOptions): Promise<QmpClient> {
    const { socketPath, clock = systemClock, greetingMs = GREETING_MS } = options;
    const state = new QmpState();
    const greeted = state.greeted;
    const link = await LineSocket.open({
      socketPath,
      what: WHAT,
      maxLineBytes: MAX_LINE_BYTES,
      clock,
      timeoutMs: greetingMs,
      line: (line) => {
        state.take(line);
      },
      ended: (reason) => {
        state.failAll(reason);
      },
    });
    const stopWaiting = clock.after(greetingMs, () => {
      link.end(
        new UmbraError('TRACKER_BUSY', `QEMU does not greet at ${socketPath} within ${greetingMs} ms`, {
          hint: 'QEMU talks to one program at a time on a QMP socket: give it a second one (-qmp unix:PATH,server=on,wait=off).',
        }),
      );
    });
    try {
      await greeted;
    } finally {
      stopWaiting();
    }
    const client = new QmpClient(link, state, clock);
    try {
      await client.execute('qmp_capabilities', undefined, greetingMs);
      return client;
    } catch (error) {
      client.close();
      throw error;
    }
  }

  /** QEMU's version: `[7, 2]`. */
  get version(): readonly [major: number, minor: number] {
    return this.#state.version;
  }

  /** What ended the connection; undefined while it is there. */
  get failure(): UmbraError | undefined {
    return this.#link.failure;
  }

  /**
   * @returns what the command returns
   * @throws {UmbraError} TRACKER_FAILED; its cause is a QmpError when QEMU refused it
   */
  async execute(command: string, args?: Readonly<Record<string, unknown>>, timeoutMs = COMMAND_MS): Promise<unknown> {
    const over = this.#link.failure;
    if (over) throw over;
    return await new Promise((resolve, reject) => {
      const id = this.#state.add(command, { resolve: settle(resolve), reject: settle(reject) });
      const stopWaiting = this.#clock.after(timeoutMs, () => {
        this.#state.forget(id);
        reject(new UmbraError('TRACKER_FAILED', `QEMU did not answer ${command} within ${timeoutMs} ms`));
      });
      function settle<T>(next: (value: T) => void): (value: T) => void {
        return (value) => {
          stopWaiting();
          next(value);
        };
      }
      this.#link.send(
        JSON.stringify(args === undefined ? { execute: command, id } : { execute: command, arguments: args, id }),
      );
    });
  }

  /**
   * Expect an event: call it before the command that brings the event about, so that it can't be missed. Events that came
   * before the call don't count.
   */
  expect(name: string, fits: (data: QmpEvent['data']) => boolean): ExpectedEvent {
    let cancel = (): void => undefined;
    const happened = new Promise<QmpEvent>((resolve, reject) => {
      const over = this.#link.failure;
      if (over) {
        reject(over);
        return;
      }
      cancel = this.#state.expect({
        fits: (event) => event.name === name && fits(event.data),
        met: resolve,
        failed: reject,
      });
    });
    // Whoever waits gets the error.
    happened.catch(() => undefined);
    return {
      cancel: () => {
        cancel();
      },
      wait: (timeoutMs) => this.#inTime(happened, timeoutMs, `the event ${name} did not come`).finally(cancel),
    };
  }

  /** Idempotent; commands under way fail. */
  close(): void {
    this.#link.end(new UmbraError('TRACKER_FAILED', `the connection to ${WHAT} is closed`));
  }

  async #inTime<T>(promise: Promise<T>, timeoutMs: number, late: string): Promise<T> {
    return await new Promise((resolve, reject) => {
      const stopWaiting = this.#clock.after(timeoutMs, () => {
        reject(new UmbraError('TRACKER_FAILED', `${late} within ${timeoutMs} ms`));
      });
      promise.then(resolve, reject).finally(stopWaiting);
    });
  }
}
