import { printable } from '../common/printable.js';
import type { AlertInfo, AlertsSummary, ChannelInfo } from '../protocol/alerts-api.js';
import { cut } from './fleet-text.js';
import { formatCount, formatTime } from './format.js';
import { formatTable } from './table.js';

/** As wide as the name of a pair, for what stands below it. */
const ROOM_OF_NAME = 12;

/** How many alerts go on: `1 critical, 3 warning`. */
export function alertCountsText({ critical, warning }: Pick<AlertsSummary, 'critical' | 'warning'>): string {
  return [[critical, 'critical'] as const, [warning, 'warning'] as const]
    .filter(([count]) => count > 0)
    .map(([count, word]) => `${formatCount(count)} ${word}`)
    .join(', ');
}

/** The worst alerts, and who could not be told, for the top of a screen; nothing where nothing is wrong. */
export function alertPairs(summary: AlertsSummary, columns: number | undefined): [string, string][] {
  const { worst, troubled } = summary;
  const room = columns === undefined ? undefined : columns - ROOM_OF_NAME;
  const lines = worst.map((alert): [string, string] => ['', cut(lineOf(alert), room)]);
  const counts = alertCountsText(summary);
  return [
    ...(counts === '' ? [] : [['alerts', `${counts}; "umbra alerts" shows them`] satisfies [string, string]]),
    ...(counts === '' ? [] : lines),
    ...(troubled.length === 0 ? [] : [['not told', cut(troubled.join(', '), room)] satisfies [string, string]]),
  ];
}

function lineOf({ severity, kind, subject, text }: AlertInfo): string {
  return `${severity === 'critical' ? 'CRITICAL' : severity} ${kind} ${printable(subject)}: ${printable(text)}`;
}

/** Each with what to do, the worst first. */
export function activeText(alerts: readonly AlertInfo[]): string {
  if (alerts.length === 0) return 'Nothing is wrong.\n';
  return alerts
    .map((alert) => `${lineOf(alert)}\n    ${printable(alert.advice)}\n    since ${formatTime(alert.since)}\n`)
    .join('');
}

export function recentText(alerts: readonly AlertInfo[]): string {
  if (alerts.length === 0) return '';
  const rows = alerts.map(({ kind, subject, severity, since, until = '', now = '' }) => [
    kind,
    printable(subject),
    severity,
    formatTime(since),
    formatTime(until),
    printable(now),
  ]);
  const titles = ['ENDED', 'SUBJECT', 'SEVERITY', 'SINCE', 'UNTIL', 'NOW'];
  return `\n${formatTable(
    titles.map((title) => ({ title })),
    rows,
  )}`;
}

export function channelsText(channels: readonly ChannelInfo[]): string {
  if (channels.length === 0) return '\nNobody is told: there is no "notify" in the configuration of this server.\n';
  const rows = channels.map((channel) => [
    channel.channel,
    channel.type,
    channel.target,
    channel.kinds?.join(', ') ?? 'everything',
    channel.severity === 'critical' ? 'critical' : 'all',
    howText(channel),
  ]);
  const titles = ['CHANNEL', 'TYPE', 'TO', 'KINDS', 'SEVERITY', 'DELIVERED'];
  return `\n${formatTable(
    titles.map((title) => ({ title })),
    rows,
  )}`;
}

function howText({ deliveredAt, trouble, givenUp }: ChannelInfo): string {
  const last = deliveredAt === undefined ? 'nothing yet' : formatTime(deliveredAt);
  if (trouble !== undefined)
    return `${last}; NOT since ${formatTime(trouble.since)}, ${trouble.attempts} tries: ${printable(trouble.error)}`;
  return givenUp === undefined ? last : `${last}; given up ${formatTime(givenUp.at)}: ${printable(givenUp.error)}`;
}
