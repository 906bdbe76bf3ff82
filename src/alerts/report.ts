import type { AlertInfo, AlertsResult, AlertsSummary, ChannelInfo, ChannelTest } from '../protocol/alerts-api.js';
import { ALERT_KINDS, SEVERITIES } from './alert.js';
import type { AlertBook } from './alert-book.js';
import type { KeptAlert } from './kept-alert.js';
import type { ChannelReport, Notifier, TestResult } from './notifier.js';
import { isoTime, shownAlert } from './shown-alert.js';

/** So many that have ended are listed where nobody says how many. */
const USUAL_RECENT = 20;
/** So many are named in short. */
const MOST_WORST = 3;

/** Alerts as they are told over the server's wire. @param limit at most so many that have ended */
export function alertsResult(book: AlertBook, notifier: Notifier | undefined, limit = USUAL_RECENT): AlertsResult {
  return {
    active: worstFirst(book).map(alertInfo),
    recent: book.ended().toReversed().slice(0, limit).map(alertInfo),
    channels: (notifier?.reports() ?? []).map(channelInfo),
  };
}

export function alertsSummary(book: AlertBook, notifier: Notifier | undefined): AlertsSummary {
  const active = worstFirst(book);
  const critical = active.filter(({ severity }) => severity === 'critical').length;
  const troubled = (notifier?.reports() ?? []).filter(({ trouble, givenUp }) => trouble ?? givenUp);
  return {
    critical,
    warning: active.length - critical,
    worst: active.slice(0, MOST_WORST).map(alertInfo),
    troubled: troubled.map(({ channel }) => channel.name),
  };
}

/** How many go on, of each kind and severity. */
export function alertCounts(book: AlertBook): readonly { kind: string; severity: string; count: number }[] {
  const active = book.active();
  return ALERT_KINDS.flatMap((kind) =>
    SEVERITIES.map((severity) => ({
      kind,
      severity,
      count: active.filter((alert) => alert.kind === kind && alert.severity === severity).length,
    })),
  );
}

export function channelTest({ channel: { name, type, target }, notes, error }: TestResult): ChannelTest {
  return { channel: name, type, target, notes, ...(error === undefined ? {} : { error }) };
}

/** Critical ones first; then those that began last. */
function worstFirst(book: AlertBook): KeptAlert[] {
  const rank = ({ severity }: KeptAlert): number => (severity === 'critical' ? 0 : 1);
  return book.active().toSorted((a, b) => rank(a) - rank(b) || b.id - a.id);
}

function alertInfo({ id, ...kept }: KeptAlert): AlertInfo {
  return shownAlert({ alert: id, ...kept });
}

function channelInfo({ channel, sent, failed, deliveredMs, trouble, givenUp }: ChannelReport): ChannelInfo {
  const { name, type, target, kinds, severity } = channel;
  return {
    channel: name,
    type,
    target,
    ...(kinds && { kinds }),
    severity,
    sent,
    failed,
    ...(deliveredMs === undefined ? {} : { deliveredAt: isoTime(deliveredMs) }),
    ...(trouble && {
      trouble: { since: isoTime(trouble.sinceMs), attempts: trouble.attempts, error: trouble.error },
    }),
    ...(givenUp && { givenUp: { at: isoTime(givenUp.atMs), error: givenUp.error } }),
  };
}
