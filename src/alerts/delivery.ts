import { randomUUID } from 'node:crypto';
import type { Clock } from '../common/clock.js';
import { isUmbraError, messageOf, UmbraError } from '../common/errors.js';
import type { Log } from '../common/log.js';
import type { AlertBook } from './alert-book.js';
import { takes, type Channel, type Delivered } from './channel.js';
import type { ChannelState } from './channel-state.js';
import { tidyText, type KeptAlert } from './kept-alert.js';
import { itemOf, MOST_ITEMS, newsOf, type Message, type MessageItem } from './message.js';

/** What comes within so long is told at once. */
export const WINDOW_MS = 5_000;
/** How long after the first failure it is tried again; twice as long each time. */
const FIRST_PAUSE_MS = 30_000;
const LONGEST_PAUSE_MS = 60 * 60_000;
/** About three days. */
export const MOST_ATTEMPTS = 78;
/** What the items of a message may have as JSON, all together. */
const MOST_CHARACTERS = 512 * 1024;

export interface DeliveryOptions {
  readonly channel: Channel;
  readonly book: AlertBook;
  /** Who tells. */
  readonly sender: Pick<Message, 'server' | 'store'>;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Log;
}

/**
 * Tells one channel of alerts: what comes together in one message, one message after the other. A message is written before it is
 * sent, and what came of it afterwards, so that it is not made anew, and sent again only if nobody noted the answer.
 */
export class Delivery {
  readonly channel: Channel;
  readonly #options: DeliveryOptions;
  readonly #stopping = new AbortController();
  #cancelTimer = (): void => undefined;
  /** What is being told. */
  #running: Promise<void> | undefined;
  #isSleeping = false;
  #isStopped = false;
  #sent = 0;
  #failed = 0;

  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.channel = options.channel;
    options.book.onChange(() => {
      this.#sleepFor(WINDOW_MS);
    });
    options.book.onLeave((alert) => {
      this.#missed(alert);
    });
  }

  /** Tell what is left of before; a new channel what goes on. */
  start(): void {
    const { book, clock } = this.#options;
    if (this.#state === undefined) this.#compose();
    const { telling } = this.#state ?? {};
    if (telling !== undefined && book.message(this.channel.name) === undefined) {
      this.#options.log.error('a message to a channel is lost', { channel: this.channel.name, id: telling.id });
      this.#note({ telling: undefined }, undefined);
    }
    this.#sleepFor(telling === undefined ? WINDOW_MS : telling.nextMs - clock.now());
  }

  /** Tell nothing more. Resolves when what is being told has ended, which it does soon after `signal` is aborted. */
  async stop(signal: AbortSignal): Promise<void> {
    this.#isStopped = true;
    this.#cancelTimer();
    signal.addEventListener('abort', () => {
      this.#stopping.abort(signal.reason);
    });
    await this.#running;
  }

  /** How many messages were delivered, and how many tries failed, since the server started. */
  get counts(): { readonly sent: number; readonly failed: number } {
    return { sent: this.#sent, failed: this.#failed };
  }

  get #state(): ChannelState | undefined {
    return this.#options.book.channel(this.channel.name);
  }

  /** What is asked for while it sleeps, or tells, comes with it. */
  #sleepFor(delayMs: number): void {
    if (this.#isStopped || this.#isSleeping || this.#running !== undefined) return;
    this.#isSleeping = true;
    this.#cancelTimer = this.#options.clock.after(Math.min(Math.max(delayMs, 0), LONGEST_PAUSE_MS), () => {
      this.#isSleeping = false;
      this.#running = this.#tell().finally(() => {
        this.#running = undefined;
        this.#goOn();
      });
    });
  }

  #goOn(): void {
    const { book, clock } = this.#options;
    const { telling, told = 0 } = this.#state ?? {};
    if (telling !== undefined) this.#sleepFor(telling.nextMs - clock.now());
    else if (book.count > told) this.#sleepFor(WINDOW_MS);
  }

  async #tell(): Promise<void> {
    const { book } = this.#options;
    const message = book.message(this.channel.name) ?? this.#compose();
    await book.flush();
    if (message === undefined || this.#isStopped) return;
    const left = this.#state?.telling?.left;
    try {
      const delivered = await this.#send(message, left);
      this.#delivered(message, delivered);
    } catch (error) {
      this.#tryLater(message, error);
    }
    await book.flush();
  }

  /** What is new to the channel, as a message that is noted; undefined if there is nothing. */
  #compose(): Message | undefined {
    const { book, sender, clock } = this.#options;
    const state = this.#state;
    const news = [...book.ended(), ...book.active()].flatMap((alert): MessageItem[] => {
      const event = takes(this.channel, alert) ? newsOf(alert, state?.told) : undefined;
      return event === undefined ? [] : [itemOf(alert, event)];
    });
    const { missed = 0 } = state ?? {};
    if (news.length + missed === 0) {
      if (book.count !== state?.told) this.#note({ told: book.count }, undefined);
      return undefined;
    }
    const items = asManyAs(news.sort(compare));
    const nowMs = clock.now();
    const message: Message = {
      id: randomUUID(),
      madeMs: nowMs,
      ...sender,
      items,
      more: news.length - items.length + missed,
      isTest: false,
    };
    const telling = { id: message.id, attempts: 0, beganMs: nowMs, nextMs: nowMs };
    this.#note({ told: book.count, missed: 0, telling }, message);
    return message;
  }

  async #send(message: Message, left: readonly string[] | undefined): Promise<Delivered> {
    const only = left === undefined ? {} : { only: left };
    return await sendInTime(this.channel, message, { ...only, stopping: this.#stopping.signal }, this.#options.clock);
  }

  #delivered(message: Message, { left = [], notes = [] }: Delivered): void {
    const { log, clock } = this.#options;
    const fields = { channel: this.channel.name, id: message.id };
    for (const note of notes) log.info('a channel says', { ...fields, note });
    if (left.length > 0) {
      const error = new UmbraError('NOTIFY_FAILED', `not accepted yet for ${left.join(', ')}`);
      this.#tryLater(message, error, left);
      return;
    }
    this.#sent += 1;
    log.info('a channel was told', { ...fields, alerts: message.items.length + message.more });
    this.#note({ telling: undefined, deliveredMs: clock.now() }, undefined);
  }

  #tryLater(message: Message, error: unknown, left?: readonly string[]): void {
    const { log, clock, random } = this.#options;
    const telling = this.#state?.telling;
    // Nobody knows whether it arrived: it is sent again by the server that comes.
    if (telling === undefined || isUmbraError(error, 'SERVER_STOPPING')) return;
    this.#failed += 1;
    const attempts = telling.attempts + 1;
    const why = tidyText(messageOf(error));
    const fields = { channel: this.channel.name, id: message.id, attempts, error: why };
    if (attempts >= MOST_ATTEMPTS) {
      log.error('a channel was not told, and it is not tried again', { ...fields, alerts: message.items.length });
      this.#note({ telling: undefined, givenUp: { atMs: clock.now(), error: why } }, undefined);
      return;
    }
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** (attempts - 1), LONGEST_PAUSE_MS) * (0.75 + 0.25 * random());
    log.warn('a channel was not told', { ...fields, againSeconds: Math.round(pauseMs / 1000) });
    const nextMs = clock.now() + Math.round(pauseMs);
    const kept = left ?? telling.left;
    this.#note({ telling: { ...telling, attempts, nextMs, error: why, ...(kept && { left: kept }) } }, message);
  }

  /** An alert that is kept no longer, which the channel was not told of. */
  #missed(alert: KeptAlert): void {
    const state = this.#state;
    if (state === undefined || !takes(this.channel, alert) || newsOf(alert, state.told) === undefined) return;
    this.#note({ missed: state.missed + 1 }, this.#options.book.message(this.channel.name));
  }

  #note(
    {
      telling,
      ...change
    }: Partial<Omit<ChannelState, 'telling'>> & { readonly telling?: ChannelState['telling'] | undefined },
    message: Message | undefined,
  ): void {
    const { telling: before, ...state } = this.#state ?? { told: 0, missed: 0 };
    const now = message === undefined ? undefined : (telling ?? before);
    this.#options.book.noteChannel(this.channel.name, { ...state, ...change, ...(now && { telling: now }) }, message);
  }
}

/**
 * Have a channel deliver a message, in the time that it has.
 * @throws {UmbraError} NOTIFY_FAILED; the reason of `stopping`
 */
export async function sendInTime(
  channel: Channel,
  message: Message,
  { stopping, ...only }: { readonly only?: readonly string[]; readonly stopping: AbortSignal },
  clock: Clock,
): Promise<Delivered> {
  const late = new AbortController();
  const { timeoutMs } = channel;
  const signal = AbortSignal.any([stopping, late.signal]);
  const cancel = clock.after(timeoutMs, () => {
    late.abort(new UmbraError('NOTIFY_FAILED', `no answer within ${timeoutMs / 1000} s`));
  });
  // One that does not settle holds nobody up.
  const aborted = new Promise<never>((_resolve, reject) => {
    const give = (): void => {
      const reason: unknown = signal.reason;
      reject(isUmbraError(reason) ? reason : new UmbraError('CANCELLED', 'cancelled'));
    };
    if (signal.aborted) give();
    signal.addEventListener('abort', give);
  });
  try {
    return await Promise.race([channel.send(message, { ...only, signal }), aborted]);
  } finally {
    cancel();
  }
}

/** The worst first, and what has ended last. */
function compare(a: MessageItem, b: MessageItem): number {
  return rank(a) - rank(b) || a.alert - b.alert;
}

function rank({ event, severity }: MessageItem): number {
  if (event === 'end' || event === 'passed') return 2;
  return severity === 'critical' ? 0 : 1;
}

function asManyAs(items: readonly MessageItem[]): readonly MessageItem[] {
  let characters = 0;
  const end = items.findIndex((item, index) => {
    characters += JSON.stringify(item).length;
    return index >= MOST_ITEMS || characters > MOST_CHARACTERS;
  });
  return end === -1 ? items : items.slice(0, end);
}
