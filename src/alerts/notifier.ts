import { randomUUID } from 'node:crypto';
import type { Clock } from '../common/clock.js';
import { messageOf, UmbraError } from '../common/errors.js';
import type { Log } from '../common/log.js';
import { printable } from '../common/printable.js';
import type { AlertBook } from './alert-book.js';
import type { Channel } from './channel.js';
import { Delivery, sendInTime } from './delivery.js';
import type { Message } from './message.js';

/** How long what is being told may take when the server ends: so that it need not be told again. */
const STOP_LIMIT_MS = 5_000;

export interface NotifierOptions {
  readonly channels: readonly Channel[];
  readonly book: AlertBook;
  /** Who tells. */
  readonly sender: Pick<Message, 'server' | 'store'>;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Log;
}

/** How a channel is. Times are milliseconds since 1970. */
export interface ChannelReport {
  readonly channel: Channel;
  readonly sent: number;
  readonly failed: number;
  /** When a message was delivered last. */
  readonly deliveredMs?: number;
  /** Why what it is told now was not delivered yet, and since when. */
  readonly trouble?: { readonly sinceMs: number; readonly attempts: number; readonly error: string };
  readonly givenUp?: { readonly atMs: number; readonly error: string };
}

/** What came of a try. */
export interface TestResult {
  readonly channel: Channel;
  /** What there is to say of it. */
  readonly notes: readonly string[];
  /** Absent if it went well. */
  readonly error?: string;
}

/** Tells every channel of alerts; none waits for another. */
export class Notifier {
  readonly #options: NotifierOptions;
  readonly #deliveries: readonly Delivery[];
  readonly #stopping = new AbortController();

  constructor(options: NotifierOptions) {
    const { channels, ...rest } = options;
    this.#options = options;
    this.#deliveries = channels.map((channel) => new Delivery({ ...rest, channel }));
  }

  /** Tell what is left of before. What a channel was told that there is no more is forgotten. */
  start(): void {
    const { book, channels, log } = this.#options;
    const names = new Set(channels.map(({ name }) => name));
    for (const name of names.size === 0 ? [] : book.channelNames()) {
      if (names.has(name)) continue;
      log.info('a channel is not there any more', { channel: name, wasTold: book.message(name) === undefined });
      book.noteChannel(name, undefined, undefined);
    }
    for (const delivery of this.#deliveries) delivery.start();
  }

  async stop(): Promise<void> {
    const { clock } = this.#options;
    const cancel = clock.after(STOP_LIMIT_MS, () => {
      this.#stopping.abort(new UmbraError('SERVER_STOPPING', 'the server is shutting down'));
    });
    await Promise.all(this.#deliveries.map((delivery) => delivery.stop(this.#stopping.signal)));
    cancel();
  }

  reports(): readonly ChannelReport[] {
    return this.#deliveries.map(({ channel, counts }) => {
      const { deliveredMs, givenUp, telling } = this.#options.book.channel(channel.name) ?? {};
      const trouble = telling?.error && {
        sinceMs: telling.beganMs,
        attempts: telling.attempts,
        error: telling.error,
      };
      return {
        channel,
        ...counts,
        ...(deliveredMs === undefined ? {} : { deliveredMs }),
        ...(trouble && { trouble }),
        ...(givenUp && { givenUp }),
      };
    });
  }

  /**
   * Tell channels that nothing is wrong.
   * @param name all of them without it
   * @throws {UmbraError} NOT_FOUND
   */
  async test(name: string | undefined): Promise<readonly TestResult[]> {
    const { channels } = this.#options;
    const chosen = channels.filter((channel) => (name ?? channel.name) === channel.name);
    if (chosen.length > 0) return await Promise.all(chosen.map((channel) => this.#try(channel)));
    if (name === undefined)
      throw new UmbraError('NOT_FOUND', 'this server has no channels to tell of alerts', { hint: HOW });
    const names = channels.map((channel) => channel.name).join(', ');
    const hint = channels.length === 0 ? HOW : `There are ${names}.`;
    throw new UmbraError('NOT_FOUND', `there is no channel ${printable(name)}`, { hint });
  }

  async #try(channel: Channel): Promise<TestResult> {
    const { sender, clock, log } = this.#options;
    const message = { id: randomUUID(), madeMs: clock.now(), ...sender, items: [], more: 0, isTest: true };
    try {
      const { left = [], notes = [] } = await sendInTime(channel, message, { stopping: this.#stopping.signal }, clock);
      log.info('a channel was tried', { channel: channel.name, id: message.id });
      if (left.length === 0) return { channel, notes };
      return { channel, notes, error: `not accepted for ${left.join(', ')}` };
    } catch (error) {
      log.warn('a channel was tried, and failed', { channel: channel.name, error: messageOf(error) });
      return { channel, notes: [], error: messageOf(error) };
    }
  }
}

const HOW = 'Write them below "notify" in the configuration of "umbra serve --config FILE", and start it again.';
