import type { AlertEvent, Message, MessageItem } from './message.js';
import { isoTime, shownAlert } from './shown-alert.js';

const WORDS: Readonly<Record<AlertEvent, string>> = {
  begin: '',
  worse: 'now ',
  end: 'ended: ',
  passed: 'begun and ended: ',
};
/** A header that is longer is cut by somebody else. */
const LONGEST_TITLE = 150;

/** One line for people: what a message is about, the worst first. */
export function titleOf(message: Message): string {
  const { server, items, isTest } = message;
  const title = `[umbra ${server}] ${isTest ? 'test: nothing is wrong' : newsText(message, items)}`;
  return title.length > LONGEST_TITLE ? `${title.slice(0, LONGEST_TITLE - 1)}…` : title;
}

function newsText(message: Message, items: readonly MessageItem[]): string {
  const [only] = items;
  if (only !== undefined && items.length + message.more === 1) return headOf(only);
  const bad = items.filter(({ event }) => event === 'begin' || event === 'worse');
  const critical = bad.filter(({ severity }) => severity === 'critical').length;
  const counts = [
    [critical, 'critical'],
    [bad.length - critical, 'warning'],
    [items.length - bad.length, 'ended'],
    [message.more, 'more'],
  ] as const;
  return counts
    .filter(([count]) => count > 0)
    .map(([count, word]) => `${count} ${word}`)
    .join(', ');
}

function headOf({ event, severity, kind, subject }: MessageItem): string {
  const bad = event === 'begin' || event === 'worse';
  return `${WORDS[event]}${bad ? `${severity.toUpperCase()} ` : ''}${kind} ${subject}`;
}

/** All of a message for people, in lines. Everything in it is safe for a terminal. */
export function bodyOf(message: Message): string {
  const { items, more, server, store, isTest, id } = message;
  const parts = items.map(itemText);
  if (isTest) parts.push(['Somebody tries whether this way to be told of alerts works. It does.\n']);
  if (more > 0) parts.push([`There are ${more} more.\n`]);
  const foot = `-- \nUmbra on ${server}, store ${store}. "umbra alerts" shows all alerts, "umbra status" the machines.\nMessage ${id}\n`;
  return `${parts.map((lines) => lines.join('')).join('\n')}\n${foot}`;
}

function itemText(item: MessageItem): string[] {
  const { event, text, advice, beganMs, endedMs, endText, facts } = item;
  const known = Object.entries(facts).map(([name, value]) => `${name}=${value}`);
  const hasEnded = event === 'end' || event === 'passed';
  return [
    `${headOf(item)}\n`,
    ...(event === 'end' ? [] : [`  ${text}\n`]),
    ...(endText === undefined ? [] : [`  ${endText}\n`]),
    ...(hasEnded ? [] : [`  ${advice}\n`]),
    ...(known.length === 0 || hasEnded ? [] : [`  ${known.join(' ')}\n`]),
    `  since ${isoTime(beganMs)}${endedMs === undefined ? '' : `, until ${isoTime(endedMs)}`}\n`,
  ];
}

/** All of a message for programs, as JSON. */
export function jsonOf(message: Message): string {
  const { id, madeMs, server, store, items, more, isTest } = message;
  return JSON.stringify({
    id,
    time: isoTime(madeMs),
    server,
    store,
    test: isTest,
    title: titleOf(message),
    alerts: items.map(({ event, ...item }) => ({ event, ...shownAlert(item) })),
    more,
  });
}
