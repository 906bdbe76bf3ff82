import type { Clock } from '../common/clock.js';
import { messageOf } from '../common/errors.js';
import type { Log } from '../common/log.js';
import type { AlertBoard, AlertKind, NewAlert } from './alert.js';
import type { AlertStore } from './alert-store.js';
import type { ChannelState } from './channel-state.js';
import { alertKeyOf, tidyAlert, tidySubject, tidyText, type KeptAlert } from './kept-alert.js';
import type { Message } from './message.js';
import { Unwritten } from './unwritten.js';

/** So many alerts that have ended are kept. */
export const MOST_ENDED = 1000;
/** More than anybody looks at; what comes then is nothing new: there is enough to do. */
const MOST_ACTIVE = 10_000;
/** After the store could not be written. */
const AFTER_TROUBLE_MS = 60_000;

export interface AlertBookOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** For tests. */
  readonly mostEnded?: number;
  readonly mostActive?: number;
}

/**
 * All alerts, in memory as they are in the store, and what whom was told of them. What is told to it takes effect at once and is written
 * soon, all that comes together in one write; what can't be written is written later, and holds as long as the process lives.
 */
export class AlertBook implements AlertBoard {
  readonly #options: AlertBookOptions;
  /** By kind and subject. */
  readonly #active = new Map<string, KeptAlert>();
  /** In the order in which they ended. */
  readonly #ended = new Map<number, KeptAlert>();
  readonly #channels = new Map<string, ChannelState>();
  readonly #messages = new Map<string, Message>();
  readonly #unwritten = new Unwritten();
  readonly #listeners: (() => void)[] = [];
  readonly #leaving: ((alert: KeptAlert) => void)[] = [];
  /** What was told before the alerts of before were known. */
  #early: (() => void)[] | undefined = [];
  #store: (() => AlertStore) | undefined;
  #written: AlertStore | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #cancelTimer = (): void => undefined;
  #count = 0;

  constructor(options: AlertBookOptions) {
    this.#options = options;
  }

  /**
   * Know the alerts of before. What can't be read is as if it were not there.
   * @param store asked for each time: it may be another one once the store was rebuilt
   */
  async open(store: () => AlertStore): Promise<void> {
    try {
      this.#written = store();
      this.#take(await this.#written.read());
    } catch (error) {
      this.#options.log.error('alerts cannot be read', { error: messageOf(error) });
    }
    this.#store = store;
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const tell of early) tell();
  }

  #take({ alerts, channels, messages }: Awaited<ReturnType<AlertStore['read']>>): void {
    for (const alert of alerts) {
      this.#count = Math.max(this.#count, alert.id, alert.worse ?? 0, alert.ended ?? 0);
      if (alert.ended === undefined) this.#active.set(alertKeyOf(alert), alert);
    }
    const ended = alerts.filter((alert) => alert.ended !== undefined);
    for (const alert of ended.sort((a, b) => (a.ended ?? 0) - (b.ended ?? 0))) this.#ended.set(alert.id, alert);
    for (const [name, state] of channels) {
      this.#channels.set(name, state);
      // Numbers that were given to alerts that are gone are not given again.
      this.#count = Math.max(this.#count, state.told);
    }
    for (const [name, message] of messages) this.#messages.set(name, message);
  }

  begin(alert: NewAlert): void {
    this.#inOrder(() => {
      this.#begin(tidyAlert(alert));
    });
  }

  end(kind: AlertKind, subject: string, text: string): void {
    this.#inOrder(() => {
      this.#end(alertKeyOf({ kind, subject: tidySubject(subject) }), tidyText(text));
    });
  }

  subjects(kind: AlertKind): readonly string[] {
    return [...this.#active.values()].filter((alert) => alert.kind === kind).map(({ subject }) => subject);
  }

  /** Those that go on, in the order in which they began. */
  active(): readonly KeptAlert[] {
    return [...this.#active.values()];
  }

  /** Those that have ended, in the order in which they did. */
  ended(): readonly KeptAlert[] {
    return [...this.#ended.values()];
  }

  /** The number of what happened last. */
  get count(): number {
    return this.#count;
  }

  /** Have `listener` told when something has happened. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Have `listener` told of alerts that are kept no longer, before they go. */
  onLeave(listener: (alert: KeptAlert) => void): void {
    this.#leaving.push(listener);
  }

  channel(name: string): ChannelState | undefined {
    return this.#channels.get(name);
  }

  /** The channels that were ever told something. */
  channelNames(): readonly string[] {
    return [...this.#channels.keys()];
  }

  message(channel: string): Message | undefined {
    return this.#messages.get(channel);
  }

  /** Note what a channel was told, and what it is told now; or nothing of it any more. */
  noteChannel(name: string, state: ChannelState | undefined, message: Message | undefined): void {
    if (state === undefined) this.#channels.delete(name);
    else this.#channels.set(name, state);
    this.#unwritten.channels.add(name);
    if (this.#messages.get(name) === message) return;
    if (message === undefined) this.#messages.delete(name);
    else this.#messages.set(name, message);
    this.#unwritten.messages.add(name);
  }

  /** Write what is not written; resolves when that was tried. */
  flush(): Promise<void> {
    const done = this.#last.then(() => this.#write());
    this.#last = done;
    return done;
  }

  /** Write what is left, once: the store is about to be closed. */
  async close(): Promise<void> {
    await this.flush();
    this.#store = undefined;
    this.#cancelTimer();
  }

  #inOrder(tell: () => void): void {
    if (this.#early === undefined) tell();
    else this.#early.push(tell);
  }

  #begin(alert: NewAlert): void {
    const key = alertKeyOf(alert);
    const known = this.#active.get(key);
    if (known !== undefined) {
      this.#refresh(key, known, alert);
      return;
    }
    const { kind, subject, severity, text, advice } = alert;
    if (this.#active.size >= (this.#options.mostActive ?? MOST_ACTIVE)) return;
    this.#options.log.warn('alert', { kind, subject, severity, text, advice });
    this.#keep(key, { ...alert, id: this.#next(), beganMs: this.#options.clock.now() });
  }

  /** Of one that goes on nothing is written but that it has become critical: whoever told it tells it again when a server starts. */
  #refresh(key: string, known: KeptAlert, alert: NewAlert): void {
    const isWorse = alert.severity === 'critical' && known.severity === 'warning';
    if (!isWorse) {
      this.#active.set(key, { ...known, ...alert, severity: known.severity });
      return;
    }
    const { kind, subject, severity, text } = alert;
    this.#options.log.warn('alert is critical now', { kind, subject, severity, text });
    this.#keep(key, { ...known, ...alert, worse: this.#next() });
  }

  #keep(key: string, alert: KeptAlert): void {
    this.#active.set(key, alert);
    this.#changed(alert.id);
  }

  #end(key: string, endText: string): void {
    const known = this.#active.get(key);
    if (known === undefined) return;
    const alert = { ...known, ended: this.#next(), endedMs: this.#options.clock.now(), endText };
    this.#options.log.info('alert ended', { kind: alert.kind, subject: alert.subject, text: endText });
    this.#active.delete(key);
    this.#ended.set(alert.id, alert);
    for (const oldest of this.#ended.values()) {
      if (this.#ended.size <= (this.#options.mostEnded ?? MOST_ENDED)) break;
      for (const listener of this.#leaving) listener(oldest);
      this.#ended.delete(oldest.id);
      this.#unwritten.alerts.add(oldest.id);
    }
    this.#changed(alert.id);
  }

  #next(): number {
    this.#count += 1;
    return this.#count;
  }

  #changed(id: number): void {
    this.#unwritten.alerts.add(id);
    void this.flush();
    for (const listener of this.#listeners) listener();
  }

  async #write(): Promise<void> {
    if (this.#store === undefined) return;
    this.#cancelTimer();
    try {
      const store = this.#store();
      if (store !== this.#written) this.#all();
      this.#written = store;
      if (this.#unwritten.isEmpty) return;
      await this.#unwritten.write((changes) => store.write(changes), {
        alerts: new Map([...this.#active.values(), ...this.#ended.values()].map((alert) => [alert.id, alert])),
        channels: this.#channels,
        messages: this.#messages,
      });
    } catch (error) {
      this.#options.log.warn('alerts are not noted', { error: messageOf(error) });
      this.#cancelTimer = this.#options.clock.after(AFTER_TROUBLE_MS, () => void this.flush());
    }
  }

  /** A store that was rebuilt has lost them. */
  #all(): void {
    for (const { id } of [...this.#active.values(), ...this.#ended.values()]) this.#unwritten.alerts.add(id);
    for (const name of this.#channels.keys()) this.#unwritten.channels.add(name);
    for (const name of this.#messages.keys()) this.#unwritten.messages.add(name);
  }
}
