import { randomInt } from 'node:crypto';
import { systemClock, type Clock } from '../../src/common/clock.js';
import { UmbraError } from '../../src/common/errors.js';
import { printable } from '../../src/common/printable.js';
import { count, list, record, text } from '../json-values.js';
import { LineSocket, parseLine } from './line-socket.js';

export interface GuestAgentOptions {
  readonly socketPath: string;
  readonly clock?: Clock;
  /** How long the guest agent may take to show that it is there; 3 s when absent. */
  readonly syncMs?: number;
}

/** A mounted file system as the guest agent sees it. */
export interface GuestMount {
  readonly mountPoint: string;
  readonly type: string;
}

const WHAT = 'the guest agent';
const MAX_LINE_BYTES = 1024 * 1024;
/** A guest may send lines without end. */
const MAX_SKIPPED = 1000;
const SYNC_MS = 3000;
/** What was half sent by someone before us makes the agent miss the first question. */
const SYNC_AGAIN_MS = 1000;
/** Answers to commands are smaller: freezing answers with a number of file systems. */
const MIN_SYNC_ID = 2 ** 24;
const MAX_SYNC_ID = 2 ** 31;

type Message = Readonly<Record<string, unknown>>;

/**
 * A connection to QEMU's guest agent. Everything that comes is of the guest, so it may be anything. One command at a time;
 * one that was not answered in time ends the connection, for its answer could be taken for another's.
 */
export class GuestAgent {
  readonly #link: LineSocket;
  readonly #clock: Clock;
  readonly #inbox: Inbox;
  readonly #syncIds = new Set<number>();

  private constructor(link: LineSocket, clock: Clock, inbox: Inbox) {
    this.#link = link;
    this.#clock = clock;
    this.#inbox = inbox;
  }

  /**
   * Connect, and make sure that the agent answers and that no answers to others are under way.
   * @throws {UmbraError} TRACKER_UNAVAILABLE, TRACKER_FAILED
   */
  static async open(options: GuestAgentOptions): Promise<GuestAgent> {
    const { socketPath, clock = systemClock, syncMs = SYNC_MS } = options;
    const inbox = new Inbox();
    const link = await LineSocket.open({
      socketPath,
      what: WHAT,
      maxLineBytes: MAX_LINE_BYTES,
      clock,
      timeoutMs: syncMs,
      line: (line) => {
        inbox.take(line);
      },
      ended: (reason) => {
        inbox.end(reason);
      },
    });
    const agent = new GuestAgent(link, clock, inbox);
    await agent.#sync(syncMs);
    return agent;
  }

  /** What ended the connection; undefined while it is there. */
  get failure(): UmbraError | undefined {
    return this.#link.failure;
  }

  /**
   * Bring all file systems of the guest to rest.
   * @returns how many they are
   * @throws {UmbraError} TRACKER_FAILED; the guest may be frozen all the same
   */
  async freeze(timeoutMs: number): Promise<number> {
    return count(await this.execute('guest-fsfreeze-freeze', timeoutMs)) ?? 0;
  }

  /**
   * Let all file systems go on. Harmless if they are not frozen.
   * @returns how many were frozen
   * @throws {UmbraError} TRACKER_FAILED
   */
  async thaw(timeoutMs: number): Promise<number> {
    return count(await this.execute('guest-fsfreeze-thaw', timeoutMs)) ?? 0;
  }

  /** @throws {UmbraError} TRACKER_FAILED */
  async isFrozen(timeoutMs: number): Promise<boolean> {
    return (await this.execute('guest-fsfreeze-status', timeoutMs)) === 'frozen';
  }

  /** @throws {UmbraError} TRACKER_FAILED */
  async mounts(timeoutMs: number): Promise<GuestMount[]> {
    const found = list(await this.execute('guest-get-fsinfo', timeoutMs)).map(record);
    return found.map(({ mountpoint, type }) => ({ mountPoint: text(mountpoint) ?? '', type: text(type) ?? '' }));
  }

  /** @throws {UmbraError} TRACKER_FAILED */
  async execute(command: string, timeoutMs: number, args?: Readonly<Record<string, unknown>>): Promise<unknown> {
    this.#send(args === undefined ? { execute: command } : { execute: command, arguments: args });
    const answer = await this.#inTime(timeoutMs, `did not answer ${command}`, async () => {
      for (let skipped = 0; skipped < MAX_SKIPPED; skipped += 1) {
        const message = await this.#inbox.next();
        // A sync that was asked twice is answered twice.
        if (!this.#isSync(message)) return message;
      }
      throw new UmbraError('TRACKER_FAILED', `${WHAT} does not stop answering what it was not asked`);
    });
    if (!('error' in answer)) return answer['return'];
    const reason = printable(text(record(answer['error'])['desc']) ?? 'no reason given').slice(0, 500);
    throw new UmbraError('TRACKER_FAILED', `${WHAT} refuses ${command}: ${reason}`);
  }

  /** Idempotent. */
  close(): void {
    this.#link.end(new UmbraError('TRACKER_FAILED', `the connection to ${WHAT} is closed`));
  }

  async #sync(syncMs: number): Promise<void> {
    let stopAsking = (): void => undefined;
    const ask = (): void => {
      const id = randomInt(MIN_SYNC_ID, MAX_SYNC_ID);
      this.#syncIds.add(id);
      this.#send({ execute: 'guest-sync', arguments: { id } });
      stopAsking = this.#clock.after(SYNC_AGAIN_MS, ask);
    };
    ask();
    try {
      await this.#inTime(syncMs, 'does not answer', async () => {
        for (let skipped = 0; skipped < MAX_SKIPPED; skipped += 1) {
          if (this.#isSync(await this.#inbox.next())) return;
        }
        throw new UmbraError('TRACKER_FAILED', `${WHAT} does not stop answering what it was not asked`);
      });
    } finally {
      stopAsking();
    }
  }

  #isSync(message: Message): boolean {
    const id = count(message['return']);
    return id !== undefined && this.#syncIds.has(id);
  }

  #send(command: Message): void {
    this.#link.send(JSON.stringify(command));
  }

  /** What is not done in time, or fails, ends the connection. */
  async #inTime<T>(timeoutMs: number, late: string, work: () => Promise<T>): Promise<T> {
    const stopWaiting = this.#clock.after(timeoutMs, () => {
      this.#link.end(new UmbraError('TRACKER_FAILED', `${WHAT} ${late} within ${timeoutMs} ms`));
    });
    try {
      return await work();
    } catch (error) {
      this.close();
      throw error;
    } finally {
      stopWaiting();
    }
  }
}

/** Messages that came and were not looked at. */
class Inbox {
  readonly #messages: Message[] = [];
  #failure: UmbraError | undefined;
  #waiting: { readonly resolve: (message: Message) => void; readonly reject: (error: UmbraError) => void } | undefined;

  take(line: string): void {
    const message = record(parseLine(line, WHAT));
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting) waiting.resolve(message);
    else if (this.#messages.length < MAX_SKIPPED) this.#messages.push(message);
    else throw new UmbraError('TRACKER_FAILED', `${WHAT} does not stop answering what it was not asked`);
  }

  end(reason: UmbraError): void {
    this.#failure ??= reason;
    this.#waiting?.reject(reason);
    this.#waiting = undefined;
  }

  async next(): Promise<Message> {
    const message = this.#messages.shift();
    if (message) return message;
    if (this.#failure) throw this.#failure;
    return await new Promise((resolve, reject) => (this.#waiting = { resolve, reject }));
  }
}
