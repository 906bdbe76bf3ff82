import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../../src/common/clock.js';
import { isUmbraError, messageOf, systemCode, UmbraError } from '../../src/common/errors.js';

export interface LineSocketOptions {
  readonly socketPath: string;
  /** What answers there, for messages: `QEMU's monitor`. */
  readonly what: string;
  /** A longer line ends the connection. */
  readonly maxLineBytes: number;
  readonly clock: Clock;
  /** How long connecting may take. */
  readonly timeoutMs: number;
  /** Called for each line, without its end. What it throws ends the connection. */
  readonly line: (text: string) => void;
  /** Called once, when the connection is over. */
  readonly ended: (reason: UmbraError) => void;
}

/** The longest path that a socket can have (unix(7)); Node.js cuts what is longer without a word. */
const MAX_PATH_BYTES = 107;
const NEW_LINE = 10;
/** How soon a socket where others wait is tried again. */
const QUEUE_AGAIN_MS = 20;

/** A connection to a Unix socket on which both sides write lines. */
export class LineSocket {
  readonly #socket: Socket;
  #failure: UmbraError | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** @throws {UmbraError} TRACKER_UNAVAILABLE if nobody listens there, TRACKER_BUSY if others wait for it, TRACKER_FAILED */
  static async open(options: LineSocketOptions): Promise<LineSocket> {
    const { clock, timeoutMs, ended } = options;
    const deadline = clock.monotonic() + timeoutMs;
    for (;;) {
      try {
        return await LineSocket.#connect(options);
      } catch (error) {
        if (!isUmbraError(error, 'TRACKER_BUSY')) throw error;
        if (clock.monotonic() < deadline) {
          await sleep(QUEUE_AGAIN_MS);
          continue;
        }
        ended(error);
        throw error;
      }
    }
  }

  static async #connect(options: LineSocketOptions): Promise<LineSocket> {
    const { socketPath, what, clock, timeoutMs } = options;
    if (Buffer.byteLength(socketPath) > MAX_PATH_BYTES) {
      throw new UmbraError('TRACKER_FAILED', `${socketPath} is too long for a socket: ${MAX_PATH_BYTES} bytes at most`);
    }
    return await new Promise((resolve, reject) => {
      const socket = connect({ path: socketPath });
      const link = new LineSocket(socket);
      const stopWaiting = clock.after(timeoutMs, () => {
        link.end(new UmbraError('TRACKER_FAILED', `${what} at ${socketPath} takes no connection`));
      });
      socket.on('error', (error) => (link.#failure ??= connectionFailed(what, socketPath, error)));
      let isOpen = false;
      socket.once('connect', () => {
        isOpen = true;
        stopWaiting();
        resolve(link);
      });
      socket.on('data', lineReader(link, options));
      socket.on('close', () => {
        stopWaiting();
        link.#failure ??= new UmbraError('TRACKER_FAILED', `${what} at ${socketPath} closed the connection`);
        // What is tried again is not over.
        if (isOpen || link.#failure.code !== 'TRACKER_BUSY') options.ended(link.#failure);
        reject(link.#failure);
      });
    });
  }

  /** What ended the connection; undefined while it is there. */
  get failure(): UmbraError | undefined {
    return this.#failure;
  }

  /** Nothing is sent any more once the connection is over. */
  send(line: string): void {
    if (this.#failure === undefined) this.#socket.write(`${line}\n`);
  }

  /** Idempotent: the first reason holds. */
  end(reason: UmbraError): void {
    this.#failure ??= reason;
    this.#socket.destroy();
  }
}

/** Cuts what comes into lines, and keeps no more than one that is not complete. */
function lineReader(link: LineSocket, { what, maxLineBytes, line }: LineSocketOptions): (data: Buffer) => void {
  let parts: Buffer[] = [];
  let held = 0;
  const take = (bytes: Buffer): void => {
    let rest = bytes;
    for (let end = rest.indexOf(NEW_LINE); end >= 0; end = rest.indexOf(NEW_LINE)) {
      const complete = Buffer.concat([...parts, rest.subarray(0, end)]);
      parts = [];
      held = 0;
      rest = rest.subarray(end + 1);
      if (complete.length > maxLineBytes) throw tooLong(what, maxLineBytes);
      if (complete.length > 0) line(complete.toString('utf8'));
      if (link.failure !== undefined) return;
    }
    held += rest.length;
    if (held > maxLineBytes) throw tooLong(what, maxLineBytes);
    if (rest.length > 0) parts.push(rest);
  };
  return (data) => {
    // An exception would leave through the event loop.
    try {
      if (link.failure === undefined) take(data);
    } catch (error) {
      link.end(error instanceof UmbraError ? error : new UmbraError('INTERNAL', messageOf(error), { cause: error }));
    }
  };
}

function tooLong(what: string, maxLineBytes: number): UmbraError {
  return new UmbraError('TRACKER_FAILED', `${what} sent a line of more than ${maxLineBytes} bytes`);
}

function connectionFailed(what: string, socketPath: string, error: Error): UmbraError {
  // QEMU takes one client at a time, and lets only one or two wait.
  if (systemCode(error) === 'EAGAIN') {
    return new UmbraError('TRACKER_BUSY', `other programs wait for ${what} at ${socketPath}`, { cause: error });
  }
  const isGone = systemCode(error) === 'ENOENT' || systemCode(error) === 'ECONNREFUSED';
  if (!isGone)
    return new UmbraError('TRACKER_FAILED', `the connection to ${what} failed: ${error.message}`, { cause: error });
  return new UmbraError('TRACKER_UNAVAILABLE', `nobody answers at ${socketPath}`, {
    hint: 'The machine is off, or the path is wrong: the images of a machine that is off can be read as they are.',
    cause: error,
  });
}

/**
 * A line of JSON.
 * @throws {UmbraError} TRACKER_FAILED
 */
export function parseLine(line: string, what: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw new UmbraError('TRACKER_FAILED', `${what} sent what is not JSON`, { cause: error });
  }
}
