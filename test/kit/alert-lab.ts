import { setImmediate } from 'node:timers/promises';
import { AlertBook } from '../../src/alerts/alert-book.js';
import { alertStoreOf } from '../../src/alerts/alert-store.js';
import type { Channel, Delivered, Sending } from '../../src/alerts/channel.js';
import type { Message } from '../../src/alerts/message.js';
import { Notifier } from '../../src/alerts/notifier.js';
import type { NewAlert } from '../../src/alerts/alert.js';
import { silentLog, type LogFields } from '../../src/common/log.js';
import { AlertRecords } from '../../src/store/alert-records.js';
import type { KvWriter } from '../../src/store/kv.js';
import { openMemoryKv } from '../../src/store/memory-kv.js';
import { ManualClock } from './manual-clock.js';

/** A channel that keeps what it was told, and does what it is asked to meanwhile. */
export class FakeChannel implements Channel {
  readonly name: string;
  readonly type = 'webhook';
  readonly target = 'nowhere';
  readonly severity;
  readonly kinds?: NonNullable<Channel['kinds']>;
  readonly timeoutMs = 30_000;
  /** All that arrived, also what it said no to. */
  readonly got: { readonly message: Message; readonly only?: readonly string[] }[] = [];
  /** What it says of a message; yes without it. */
  answer: (message: Message, sending: Sending) => Promise<Delivered> = () => Promise.resolve({});

  constructor(name: string, { kinds, severity = 'warning' }: Partial<Pick<Channel, 'kinds' | 'severity'>> = {}) {
    this.name = name;
    this.severity = severity;
    if (kinds !== undefined) this.kinds = kinds;
  }

  readonly send = (message: Message, sending: Sending): Promise<Delivered> => {
    this.got.push({ message, ...(sending.only && { only: sending.only }) });
    return this.answer(message, sending);
  };

  /** What arrived, as `EVENT KIND SUBJECT`, each message once. */
  get told(): string[] {
    const messages = new Map(this.got.map(({ message }) => [message.id, message]));
    return [...messages.values()].flatMap(({ items }) =>
      items.map(({ event, kind, subject }) => `${event} ${kind} ${subject}`),
    );
  }
}

/** A server's alerts over a database in memory, with a clock that goes as fast as it is told. */
export class AlertLab {
  readonly clock = new ManualClock();
  readonly said: [string, LogFields | undefined][] = [];
  meta: KvWriter = openMemoryKv();
  book: AlertBook;
  notifier: Notifier;
  readonly #channels: readonly Channel[];
  #isAlive = true;
  readonly #mostEnded: number | undefined;

  constructor(channels: readonly Channel[], mostEnded?: number) {
    this.#channels = channels;
    this.#mostEnded = mostEnded;
    [this.book, this.notifier] = this.#parts(channels);
  }

  /** A server starts; the one before, if there was one, is dead. @param channels others than before */
  async start(channels = this.#channels, meta = this.meta): Promise<void> {
    this.#isAlive = true;
    [this.book, this.notifier] = this.#parts(channels);
    const records = new AlertRecords(meta);
    await this.book.open(alertStoreOf(() => records));
    this.notifier.start();
    await this.settle();
  }

  /** The process is gone, with its timers. */
  kill(): void {
    this.#isAlive = false;
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  async stop(): Promise<void> {
    await this.notifier.stop();
    await this.book.close();
    this.kill();
  }

  /** Let time pass, thing by thing. */
  async run(ms: number): Promise<void> {
    const untilMs = this.clock.now() + ms;
    for (;;) {
      await this.settle();
      const nextMs = this.clock.nextMs ?? Infinity;
      if (nextMs > untilMs) break;
      this.clock.advance(Math.max(0, nextMs - this.clock.now()));
    }
    this.clock.advance(untilMs - this.clock.now());
    await this.settle();
  }

  async settle(): Promise<void> {
    for (let turn = 0; turn < 12; turn += 1) await setImmediate();
  }

  #parts(channels: readonly Channel[]): [AlertBook, Notifier] {
    const take = (message: string, fields?: LogFields): void => {
      this.said.push([message, fields]);
    };
    const log = { ...silentLog, info: take, warn: take, error: take };
    const life = { isAlive: true };
    this.kill = (): void => {
      life.isAlive = false;
      this.#isAlive = false;
    };
    const { clock: all } = this;
    const clock = {
      now: () => all.now(),
      monotonic: () => all.monotonic(),
      after: (delayMs: number, callback: () => void) =>
        all.after(delayMs, () => {
          if (life.isAlive) callback();
        }),
    };
    const most = this.#mostEnded === undefined ? {} : { mostEnded: this.#mostEnded };
    const book = new AlertBook({ clock, log, ...most });
    const sender = { server: 'backup1', store: '/srv/umbra' };
    return [book, new Notifier({ channels, book, sender, clock, random: () => 1, log })];
  }
}

/** An alert for a test. */
export function someAlert(subject: string, more: Partial<NewAlert> = {}): NewAlert {
  return {
    kind: 'data-loss',
    subject,
    severity: 'critical',
    text: `${subject} has no shadow copy.`,
    advice: 'Make one.',
    facts: { host: 'hv1' },
    ...more,
  };
}
