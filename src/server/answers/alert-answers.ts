import { ALERT_KINDS } from '../../alerts/alert.js';
import type { Shape } from '../../common/json-schema.js';
import { oneOf } from '../../common/params.js';
import { count, eachOf, fields, listOf, shape, text } from '../../common/shapes.js';
import type * as api from '../../protocol/alerts-api.js';

/** What is answered about alerts, as src/protocol/alerts-api.ts has it. */

const kind: Shape<string> = oneOf(...ALERT_KINDS);
const severity = eachOf<api.AlertInfo['severity']>({ warning: true, critical: true });
const type = eachOf<api.ChannelInfo['type']>({ webhook: true, smtp: true, command: true });
/** Names and texts, numbers, true or false. */
const facts: Shape<api.AlertInfo['facts']> = { schema: { type: 'object' } };

const alert = shape<api.AlertInfo>(
  'Alert',
  { alert: count, kind, subject: text, severity, text, advice: text, facts, since: text },
  { until: text, now: text },
);

const channel = shape<api.ChannelInfo>(
  'AlertChannel',
  { channel: text, type, target: text, severity, sent: count, failed: count },
  {
    kinds: listOf(kind),
    deliveredAt: text,
    trouble: fields<NonNullable<api.ChannelInfo['trouble']>>({ since: text, attempts: count, error: text }),
    givenUp: fields<NonNullable<api.ChannelInfo['givenUp']>>({ at: text, error: text }),
  },
);

export const alerts: Shape<api.AlertsResult> = shape<api.AlertsResult>('Alerts', {
  active: listOf(alert),
  recent: listOf(alert),
  channels: listOf(channel),
});

export const alertsSummary: Shape<api.AlertsSummary> = shape<api.AlertsSummary>('AlertsSummary', {
  critical: count,
  warning: count,
  worst: listOf(alert),
  troubled: listOf(text),
});

export const tested: Shape<api.TestAlertsResult> = shape<api.TestAlertsResult>('TestedAlertChannels', {
  tests: listOf(
    shape<api.ChannelTest>(
      'TestedAlertChannel',
      { channel: text, type, target: text, notes: listOf(text) },
      { error: text },
    ),
  ),
});
