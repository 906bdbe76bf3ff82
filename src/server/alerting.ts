import { hostname } from 'node:os';
import { AlertBook } from '../alerts/alert-book.js';
import type { AlertStore } from '../alerts/alert-store.js';
import type { Channel } from '../alerts/channel.js';
import { Notifier } from '../alerts/notifier.js';
import { alertCounts, alertsResult, alertsSummary, channelTest } from '../alerts/report.js';
import type { Clock } from '../common/clock.js';
import type { Log } from '../common/log.js';
import type {
  AlertsRequest,
  AlertsResult,
  AlertsSummary,
  TestAlertsRequest,
  TestAlertsResult,
} from '../protocol/alerts-api.js';
import type { Claim } from './conflicts.js';

export interface AlertingOptions {
  /** Absolute path of the store's directory. */
  readonly store: string;
  /** Who is told; nobody without it. */
  readonly channels?: readonly Channel[];
  readonly clock: Clock;
  readonly log: Log;
}

/** Figures of alerts. */
export interface AlertFigures {
  readonly active: ReturnType<typeof alertCounts>;
  readonly channels: readonly {
    readonly channel: string;
    readonly sent: number;
    readonly failed: number;
    /** Whether it has not got what it is told now. */
    readonly isTroubled: boolean;
  }[];
}

/** The alerts of a server, and who is told of them. */
export class Alerting {
  /** Whom what goes wrong is told to. What is told before the store is open waits for that. */
  readonly book: AlertBook;
  readonly #notifier: Notifier;

  constructor({ store, channels = [], clock, log }: AlertingOptions) {
    this.book = new AlertBook({ clock, log });
    const sender = { server: serverName(), store };
    this.#notifier = new Notifier({ channels, book: this.book, sender, clock, random: Math.random, log });
  }

  /** @param store asked for each time: it may be rebuilt */
  async open(store: () => AlertStore): Promise<void> {
    await this.book.open(store);
    this.#notifier.start();
  }

  /** Tell nobody anything more; what is left to tell is told by the server that comes. */
  async close(): Promise<void> {
    await this.#notifier.stop();
    await this.book.close();
  }

  /** An operation has ended, however it did. */
  operationEnded({ kind }: Claim): void {
    // What is kept was in the database that is gone.
    if (kind === 'rebuild') void this.book.flush();
  }

  list({ limit }: AlertsRequest): AlertsResult {
    return alertsResult(this.book, this.#notifier, limit);
  }

  summary(): AlertsSummary {
    return alertsSummary(this.book, this.#notifier);
  }

  /** @throws {UmbraError} NOT_FOUND */
  async test({ channel }: TestAlertsRequest): Promise<TestAlertsResult> {
    return { tests: (await this.#notifier.test(channel)).map(channelTest) };
  }

  figures(): AlertFigures {
    const channels = this.#notifier.reports().map(({ channel: { name }, sent, failed, trouble }) => ({
      channel: name,
      sent,
      failed,
      isTroubled: trouble !== undefined,
    }));
    return { active: alertCounts(this.book), channels };
  }
}

/** As it may stand in an address of mail. */
function serverName(): string {
  return (
    hostname()
      .replaceAll(/[^A-Za-z0-9.-]/g, '-')
      .slice(0, 100) || 'umbra'
  );
}
