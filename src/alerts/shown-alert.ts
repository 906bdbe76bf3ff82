import type { AlertInfo } from '../protocol/alerts-api.js';
import type { MessageItem } from './message.js';

/** An alert as it is shown over the server's wire and in what channels are told: one form for whoever reads either. */
export function shownAlert(item: Omit<MessageItem, 'event'>): AlertInfo {
  const { alert, kind, subject, severity, text, advice, facts, beganMs, endedMs, endText } = item;
  return {
    alert,
    kind,
    subject,
    severity,
    text,
    advice,
    facts,
    since: isoTime(beganMs),
    ...(endedMs === undefined ? {} : { until: isoTime(endedMs) }),
    ...(endText === undefined ? {} : { now: endText }),
  };
}

export function isoTime(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
