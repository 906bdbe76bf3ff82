import { connect, type Socket } from 'node:net';
import type { Clock } from '../../src/common/clock.js';
import { messageOf, UmbraError } from '../../src/common/errors.js';
import { protocolError } from './libvirt-error.js';
import { encodeMessage, MessageReader, type Message } from './message.js';
import { KEEP_ALIVE, MESSAGE, PROGRAM, STATUS } from './protocol.js';
import { readFailure } from './read-failure.js';
import { XdrReader, type XdrWriter } from './xdr.js';

interface PendingCall {
  readonly resolve: (body: XdrReader) => void;
  readonly reject: (error: UmbraError) => void;
  readonly stopWaiting: () => void;
}

export interface Call {
  readonly program: number;
  readonly procedure: number;
  readonly args: XdrWriter;
  /** How long the answer may take. */
  readonly timeoutMs: number;
  /** For messages: what it does. */
  readonly what: string;
}

const CLOSE_MS = 2000;
/** libvirt serves a handful of calls of a client at once and leaves the others in the socket. */
const MAX_PENDING = 1000;

/** A connection to libvirt's socket. Calls may run side by side; a protocol error ends all of them. */
export class RpcConnection {
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #messages = new MessageReader();
  readonly #pending = new Map<number, PendingCall>();
  readonly #listeners = new Set<(event: Message) => void>();
  #nextSerial = 1;
  #failure: UmbraError | undefined;

  private constructor(socket: Socket, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
    socket.on('data', (chunk: Buffer) => {
      this.#receive(chunk);
    });
    socket.on('error', (error) => {
      this.#fail(lost(messageOf(error), error));
    });
    socket.on('close', () => {
      this.#fail(lost('it closed the connection'));
    });
  }

  /** Rejects with the system's error (ENOENT, EACCES, …), or {UmbraError} HYPERVISOR_UNREACHABLE when nobody accepts in time. */
  static async open(socketPath: string, clock: Clock, timeoutMs: number): Promise<RpcConnection> {
    const socket = connect(socketPath);
    return await new Promise((resolve, reject) => {
      const stopWaiting = clock.after(timeoutMs, () => {
        const late = new UmbraError('HYPERVISOR_UNREACHABLE', `${socketPath} did not answer within ${timeoutMs} ms`);
        socket.destroy(late);
      });
      const failed = (error: Error): void => {
        stopWaiting();
        reject(error);
      };
      socket.once('error', failed);
      socket.once('connect', () => {
        stopWaiting();
        socket.off('error', failed);
        resolve(new RpcConnection(socket, clock));
      });
    });
  }

  /**
   * @returns the answer's body
   * @throws {UmbraError} HYPERVISOR_FAILED, HYPERVISOR_DENIED, NOT_FOUND as libvirt says; HYPERVISOR_FAILED when no answer comes in
   *   time; HYPERVISOR_UNREACHABLE when the connection is lost
   */
  async call({ program, procedure, args, timeoutMs, what }: Call): Promise<XdrReader> {
    if (this.#failure) throw this.#failure;
    if (this.#pending.size >= MAX_PENDING) throw new UmbraError('INTERNAL', 'too many calls of libvirt at once');
    const serial = this.#nextSerial++;
    return await new Promise<XdrReader>((resolve, reject) => {
      const stopWaiting = this.#clock.after(timeoutMs, () => {
        // Its answer may still come, and is then nobody's.
        this.#pending.delete(serial);
        reject(new UmbraError('HYPERVISOR_FAILED', `libvirt did not ${what} within ${timeoutMs} ms`));
      });
      this.#pending.set(serial, { resolve, reject, stopWaiting });
      const body = args.bytes();
      this.#socket.write(encodeMessage({ program, procedure, type: MESSAGE.call, serial, status: STATUS.ok, body }));
    });
  }

  /**
   * Be told of every event that libvirt sends of itself, but those that keep the connection alive.
   * @param listener - what it throws ends the connection, as of a message that can't be read
   * @returns ends it
   */
  onEvent(listener: (event: Message) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** True when no call can succeed any more. */
  get isLost(): boolean {
    return this.#failure !== undefined;
  }

  /** Idempotent. Calls under way fail. */
  async close(): Promise<void> {
    if (this.#socket.closed) return;
    const closed = new Promise<void>((resolve) => this.#socket.once('close', resolve));
    const stopWaiting = this.#clock.after(CLOSE_MS, () => this.#socket.destroy());
    this.#socket.end();
    await closed;
    stopWaiting();
  }

  #receive(chunk: Buffer): void {
    // An exception would leave through the event loop.
    try {
      for (const message of this.#messages.push(chunk)) this.#handle(message);
    } catch (error) {
      this.#fail(error instanceof UmbraError ? error : protocolError(messageOf(error)));
      this.#socket.destroy();
    }
  }

  #handle(message: Message): void {
    if (message.type === MESSAGE.reply) this.#answer(message);
    else if (message.type !== MESSAGE.event) throw protocolError(`a message of the type ${message.type}`);
    else if (message.program !== PROGRAM.keepAlive) for (const listener of this.#listeners) listener(message);
    else if (message.procedure === KEEP_ALIVE.ping)
      this.#socket.write(encodeMessage({ ...message, procedure: KEEP_ALIVE.pong }));
  }

  #answer({ serial, status, body }: Message): void {
    const call = this.#pending.get(serial);
    if (call === undefined) {
      if (serial === 0 || serial >= this.#nextSerial) throw protocolError('an answer to a call that was not made');
      return;
    }
    this.#pending.delete(serial);
    call.stopWaiting();
    if (status === STATUS.ok) {
      call.resolve(new XdrReader(body));
      return;
    }
    // Whoever called gets the error also if it can't be read.
    try {
      call.reject(readFailure(new XdrReader(body)));
    } catch (error) {
      const broken = error instanceof UmbraError ? error : protocolError(messageOf(error));
      call.reject(broken);
      throw broken;
    }
  }

  #fail(reason: UmbraError): void {
    this.#failure ??= reason;
    const calls = [...this.#pending.values()];
    this.#pending.clear();
    for (const { stopWaiting, reject } of calls) {
      stopWaiting();
      reject(this.#failure);
    }
  }
}

function lost(why: string, cause?: unknown): UmbraError {
  return new UmbraError('HYPERVISOR_UNREACHABLE', `the connection to libvirt is lost: ${why}`, {
    hint: 'See "systemctl status libvirtd virtqemud" on the host; it is tried again.',
    cause,
  });
}
