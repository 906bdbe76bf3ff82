import type { AlertKind, Severity } from './alert.js';
import type { Message } from './message.js';

/** How whom is told. */
export const CHANNEL_TYPES = ['webhook', 'smtp', 'command'] as const;
export type ChannelType = (typeof CHANNEL_TYPES)[number];

/** What came of a message that was not refused as a whole. */
export interface Delivered {
  /** Of several recipients those that have not got it for a reason that may pass: it is tried again for them alone. */
  readonly left?: readonly string[];
  /** What is to be said of it: recipients that were refused for good, what a command printed. Safe for a terminal. */
  readonly notes?: readonly string[];
}

/** What a channel is told besides the message. */
export interface Sending {
  /** Only to these of its recipients. */
  readonly only?: readonly string[];
  /** Aborted when it takes too long, or the server ends. */
  readonly signal: AbortSignal;
}

/** Somebody who is told of alerts. */
export interface Channel {
  readonly name: string;
  readonly type: ChannelType;
  /** Where it leads, for people; no secrets. */
  readonly target: string;
  /** All kinds without it. */
  readonly kinds?: readonly AlertKind[];
  /** Nothing below. */
  readonly severity: Severity;
  /** How long a try may take. */
  readonly timeoutMs: number;
  /**
   * Deliver a message. Settles soon after the signal was aborted.
   * @throws {UmbraError} NOTIFY_FAILED with why, and without secrets
   */
  readonly send: (message: Message, sending: Sending) => Promise<Delivered>;
}

/** Whether a channel is for an alert. */
export function takes(
  { kinds, severity }: Pick<Channel, 'kinds' | 'severity'>,
  alert: { readonly kind: AlertKind; readonly severity: Severity },
): boolean {
  return (kinds?.includes(alert.kind) ?? true) && (severity === 'warning' || alert.severity === 'critical');
}
