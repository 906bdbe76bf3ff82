import type { Message, MessageItem } from '../../src/alerts/message.js';

/** What a message says of one alert. */
export function someItem(more: Partial<MessageItem> = {}): MessageItem {
  return {
    event: 'begin',
    alert: 1,
    kind: 'data-loss',
    subject: 'web',
    severity: 'critical',
    text: 'web has no shadow copy.',
    advice: 'Make one.',
    facts: { host: 'hv1' },
    beganMs: Date.UTC(2026, 10, 22, 10, 15),
    ...more,
  };
}

/** A message as a channel is told it. */
export function someMessage(more: Partial<Message> = {}): Message {
  return {
    id: '9b2f8c3e-1111-4222-8333-444455556666',
    madeMs: Date.UTC(2026, 10, 22, 10, 16),
    server: 'backup1',
    store: '/srv/umbra',
    items: [someItem()],
    more: 0,
    isTest: false,
    ...more,
  };
}
