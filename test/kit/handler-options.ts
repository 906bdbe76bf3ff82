import { systemClock } from '../../src/common/clock.js';
import { UmbraError } from '../../src/common/errors.js';
import { silentLog } from '../../src/common/log.js';
import { IdleTimer } from '../../src/server/idle.js';
import { Jobs } from '../../src/server/jobs.js';
import { Metrics } from '../../src/server/metrics.js';
import type { RequestHandlerOptions } from '../../src/server/request-handler.js';
import { RecordedAlerts } from './recorded-alerts.js';

/** For what answers requests without a store. */
export function handlerOptions(store: string): RequestHandlerOptions {
  return {
    services: () => Promise.reject(new UmbraError('STORE_NOT_FOUND', 'there is no store')),
    jobs: new Jobs(systemClock, () => []),
    idle: new IdleTimer(
      systemClock,
      Infinity,
      () => true,
      () => undefined,
    ),
    stopping: new AbortController().signal,
    clock: systemClock,
    log: silentLog,
    status: () => ({ pid: 1, version: '1', store, startedAt: '', background: false, mounts: [], jobs: [] }),
    fleet: () => Promise.resolve(undefined),
    known: () => Promise.resolve(undefined),
    scrub: () => Promise.resolve(undefined),
    remote: () => Promise.reject(new UmbraError('INTERNAL', 'not here')),
    urls: () => [],
    alerts: new RecordedAlerts(),
    metrics: new Metrics(systemClock),
    gauges: () => Promise.reject(new UmbraError('INTERNAL', 'not here')),
    health: () => 'opening',
    stop: () => Promise.reject(new UmbraError('INTERNAL', 'not here')),
  };
}
