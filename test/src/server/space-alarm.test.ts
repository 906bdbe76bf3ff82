import t from 'tap';
import { silentLog } from '../../../src/common/log.js';
import { SpaceAlarm } from '../../../src/server/space-alarm.js';
import type { SpaceReport } from '../../../src/store/space-watch.js';
import { RecordedAlerts } from '../../kit/recorded-alerts.js';

const GIB = 1024 ** 3;

function report(state: SpaceReport['state'], more: Partial<SpaceReport> = {}): SpaceReport {
  const limits = { warnBytes: 20 * GIB, stopBytes: GIB, resumeBytes: 2 * GIB };
  return {
    state,
    sizeBytes: 100 * GIB,
    freeBytes: 5 * GIB,
    reserveBytes: 0,
    files: 0,
    freeFiles: 0,
    ...limits,
    ...more,
  };
}

t.test('each change is told once, the worse one too, and what waits for room is told of it', async (t) => {
  const alerts = new RecordedAlerts();
  const said: string[] = [];
  let rooms = 0;
  const log = {
    ...silentLog,
    info: (_: string, fields?: object) => void said.push(`info ${JSON.stringify(fields)}`),
    warn: (_: string, fields?: object) => void said.push(`warn ${JSON.stringify(fields)}`),
  };
  const alarm = new SpaceAlarm({ alerts, log, onRoom: () => void (rooms += 1) });
  alarm.take(report('ok'));
  t.same([alerts.take(), said], [[], []], 'nothing is wrong when it starts');
  alarm.take(report('warning'));
  alarm.take(report('warning', { fullInDays: 3.7 }));
  t.same(alerts.take(), ['begin space store']);
  t.match(alerts.active.get('space store'), {
    severity: 'warning',
    text: '5.00 GiB of 100 GiB of the disk of the store are free, which last for 3 days as it went until now.',
    facts: { fullInDays: 3.7, stopBytes: GIB },
  });
  alarm.take(report('stopped'));
  alarm.take(report('stopped'));
  t.same(alerts.take(), ['end space store', 'begin space store']);
  t.match(alerts.active.get('space store'), {
    severity: 'critical',
    text: /no shadow copies are made until there are 2.00 GiB/,
  });
  t.equal(rooms, 0);
  alarm.take(report('warning'));
  t.equal(rooms, 1);
  alarm.take(report('ok'));
  t.same(alerts.take(), ['end space store']);
  t.equal(said.length, 4);
});
