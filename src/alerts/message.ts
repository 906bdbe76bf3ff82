import { list, object, oneOf, string, whole, boolean, validator, type Validator } from '../common/params.js';
import { ALERT_KINDS, SEVERITIES, type AlertKind, type Severity } from './alert.js';
import type { KeptAlert } from './kept-alert.js';

/** A message lists no more; `umbra alerts` has the others. */
export const MOST_ITEMS = 1000;

/**
 * What has happened to an alert: it has begun, it has become critical, it has ended, or it has begun and ended since anybody was
 * told.
 */
export const ALERT_EVENTS = ['begin', 'worse', 'end', 'passed'] as const;
export type AlertEvent = (typeof ALERT_EVENTS)[number];

/** What a message says of one alert. Times are milliseconds since 1970. */
export interface MessageItem {
  readonly event: AlertEvent;
  readonly alert: number;
  readonly kind: AlertKind;
  readonly subject: string;
  readonly severity: Severity;
  /** What is so, or was. */
  readonly text: string;
  readonly advice: string;
  readonly facts: Readonly<Record<string, string | number | boolean>>;
  readonly beganMs: number;
  readonly endedMs?: number;
  /** What is so since it has ended. */
  readonly endText?: string;
}

/** What a channel is told at once. It stays as it is however often it is tried. */
export interface Message {
  /** A UUID; receivers may drop what they have got before. */
  readonly id: string;
  readonly madeMs: number;
  /** The name of the server's machine. */
  readonly server: string;
  readonly store: string;
  readonly items: readonly MessageItem[];
  /** How many more there are that it does not list. */
  readonly more: number;
  /** Nothing is wrong: somebody tries the channel. */
  readonly isTest: boolean;
}

const time = whole(0, Number.MAX_SAFE_INTEGER);

/** Facts of alerts are tidy when they are kept. */
const facts: Validator<MessageItem['facts']> = validator({ type: 'object' }, (value, field) => {
  const known: Record<string, string | number | boolean> = {};
  if (typeof value !== 'object' || value === null) return { [field]: '-' };
  for (const [name, fact] of Object.entries(value)) {
    if (typeof fact === 'string' || typeof fact === 'number' || typeof fact === 'boolean') known[name] = fact;
  }
  return known;
});

const item: Validator<MessageItem> = object(
  {
    event: oneOf<AlertEvent>(...ALERT_EVENTS),
    alert: time,
    kind: oneOf<AlertKind>(...ALERT_KINDS),
    subject: string,
    severity: oneOf<Severity>(...SEVERITIES),
    text: string,
    advice: string,
    facts,
    beganMs: time,
  },
  { endedMs: time, endText: string },
);

const stored: Validator<Message> = object({
  id: string,
  madeMs: time,
  server: string,
  store: string,
  items: list(item, 0, MOST_ITEMS),
  more: time,
  isTest: boolean,
});

/** Out of a record; undefined if it is not right, which a newer version may have written. */
export function parseMessage(fields: Record<string, unknown>): Message | undefined {
  try {
    return stored(fields, 'message');
  } catch {
    return undefined;
  }
}

/**
 * What of an alert is new to whom was told everything up to `told`; undefined if nothing is.
 * @param told undefined for whom nothing was told ever: what has ended is no news to him
 */
export function newsOf(alert: KeptAlert, told: number | undefined): AlertEvent | undefined {
  const isNew = (number: number | undefined): boolean => number !== undefined && number > (told ?? 0);
  if (told === undefined) return alert.ended === undefined ? 'begin' : undefined;
  if (isNew(alert.ended)) return isNew(alert.id) ? 'passed' : 'end';
  if (isNew(alert.id)) return 'begin';
  return isNew(alert.worse) && alert.ended === undefined ? 'worse' : undefined;
}

/** What a message says of an alert. */
export function itemOf(alert: KeptAlert, event: AlertEvent): MessageItem {
  const { id, kind, subject, severity, text, advice, facts: known, beganMs, endedMs, endText } = alert;
  return {
    event,
    alert: id,
    kind,
    subject,
    severity,
    text,
    advice,
    facts: known,
    beganMs,
    ...(endedMs === undefined ? {} : { endedMs }),
    ...(endText === undefined ? {} : { endText }),
  };
}
