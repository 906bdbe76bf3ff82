/** What crosses the server's wire, and what `--json` prints, about alerts and who is told of them. Times are ISO 8601, in UTC. */

/** Something that somebody has to know. */
export interface AlertInfo {
  /** Its number. */
  readonly alert: number;
  readonly kind: string;
  /** A machine's name, or `store`. */
  readonly subject: string;
  readonly severity: 'warning' | 'critical';
  /** What is so, or was. */
  readonly text: string;
  /** What to do. */
  readonly advice: string;
  readonly facts: Readonly<Record<string, string | number | boolean>>;
  readonly since: string;
  /** When it ended. */
  readonly until?: string;
  /** What is so since it has ended. */
  readonly now?: string;
}

/** Somebody who is told. */
export interface ChannelInfo {
  readonly channel: string;
  readonly type: 'webhook' | 'smtp' | 'command';
  /** Where it leads; no secrets. */
  readonly target: string;
  /** Only of these kinds; of all without it. */
  readonly kinds?: readonly string[];
  /** Nothing below. */
  readonly severity: 'warning' | 'critical';
  /** Messages that were delivered since the server started, and tries that failed. */
  readonly sent: number;
  readonly failed: number;
  /** When a message was delivered last. */
  readonly deliveredAt?: string;
  /** Why the message that it is told now was not delivered yet: it is tried again. */
  readonly trouble?: { readonly since: string; readonly attempts: number; readonly error: string };
  /** The last message that could not be delivered, and is not tried again. */
  readonly givenUp?: { readonly at: string; readonly error: string };
}

export interface AlertsRequest {
  /** At most so many of those that have ended, the newest first. */
  readonly limit?: number;
}

export interface AlertsResult {
  /** Those that go on, the worst first. */
  readonly active: readonly AlertInfo[];
  /** Those that have ended, the newest first. */
  readonly recent: readonly AlertInfo[];
  readonly channels: readonly ChannelInfo[];
}

/** The alerts of a server in short. */
export interface AlertsSummary {
  /** How many go on. */
  readonly critical: number;
  readonly warning: number;
  /** The worst of them. */
  readonly worst: readonly AlertInfo[];
  /** Channels that could not be told. */
  readonly troubled: readonly string[];
}

export interface TestAlertsRequest {
  /** All of them without it. */
  readonly channel?: string;
}

/** What came of telling a channel that nothing is wrong. */
export interface ChannelTest {
  readonly channel: string;
  readonly type: ChannelInfo['type'];
  readonly target: string;
  /** What there is to say of it. */
  readonly notes: readonly string[];
  /** Absent if it went well. */
  readonly error?: string;
}

export interface TestAlertsResult {
  readonly tests: readonly ChannelTest[];
}
