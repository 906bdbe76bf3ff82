import type { AlertFigures } from './alerting.js';
import { counter, gauge, label, type Family } from './metric-family.js';

/** What goes wrong, and whether anybody is told, for Prometheus. */
export function alertFamilies({ active, channels }: AlertFigures): readonly Family[] {
  return [
    gauge(
      'umbra_alerts_active',
      'Alerts that go on, by kind and severity.',
      active.map(({ kind, severity, count }) => [`${label('kind', kind)},${label('severity', severity)}`, count]),
    ),
    counter(
      'umbra_notifications_total',
      'Messages about alerts that were delivered to a channel, and tries that failed, since the server started.',
      channels.flatMap(({ channel, sent, failed }) => [
        [`${label('channel', channel)},outcome="sent"`, sent] as const,
        [`${label('channel', channel)},outcome="failed"`, failed] as const,
      ]),
    ),
    gauge(
      'umbra_notifications_delayed',
      'Whether a message about alerts could not be delivered to a channel yet.',
      channels.map(({ channel, isTroubled }) => [label('channel', channel), isTroubled ? 1 : 0]),
    ),
  ];
}
