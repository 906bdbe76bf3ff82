import t from 'tap';
import { loggedAlerts } from '../../../src/alerts/logged-alerts.js';
import { silentLog } from '../../../src/common/log.js';
import { RecordedAlerts } from '../../kit/recorded-alerts.js';

const ALERT = {
  kind: 'space',
  subject: 'store',
  severity: 'warning',
  text: 'The disk is nearly full.',
  advice: 'Make it larger.',
  facts: { freeBytes: 1 },
} as const;

void t.test('an alert is logged once when it begins and once when it ends', async (t) => {
  const said: unknown[] = [];
  const take = (message: string, fields?: object): void => {
    said.push([message, fields]);
  };
  for (const alerts of [loggedAlerts({ ...silentLog, info: take, warn: take }), new RecordedAlerts()]) {
    alerts.end('space', 'store', 'nothing was');
    alerts.begin(ALERT);
    alerts.begin({ ...ALERT, text: 'The disk is fuller.' });
    alerts.end('damage', 'store', 'another kind');
    alerts.end('space', 'store', 'There is room again.');
    alerts.end('space', 'store', 'There is room again.');
    if (alerts instanceof RecordedAlerts) t.same(alerts.take(), ['begin space store', 'end space store']);
  }
  const { facts: _facts, ...logged } = ALERT;
  t.same(said, [
    ['alert', logged],
    ['alert ended', { kind: 'space', subject: 'store', text: 'There is room again.' }],
  ]);
});
