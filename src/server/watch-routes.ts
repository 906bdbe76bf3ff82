import { EVERYBODY, OPERATORS } from './caller.js';
import { oneOf } from '../common/params.js';
import { fields } from '../common/shapes.js';
import type { Route } from './exchange.js';
import { sendJson } from './http-request.js';
import { noParams } from './request-params.js';
import { METRICS_TYPE, type Gauges, type Metrics } from './metrics.js';

export interface WatchOptions {
  readonly metrics: Metrics;
  readonly gauges: () => Promise<Gauges>;
  /** `ok`, or what keeps the server from serving; nothing that a stranger should not know. */
  readonly health: () => 'ok' | 'opening' | 'stopping';
}

const HEALTH = fields<{ readonly status: string }>({ status: oneOf('ok', 'opening', 'stopping') });

/** Routes for programs that watch the server. */
export function watchRoutes({ metrics, gauges, health }: WatchOptions): readonly Route[] {
  return [
    {
      method: 'GET',
      route: '/health',
      permission: EVERYBODY,
      anyProtocol: true,
      description: {
        summary: 'How the server is',
        params: noParams,
        answer: { as: 'json', result: HEALTH, statuses: [200, 503] },
      },
      answer: ({ response }) => {
        const status = health();
        sendJson(response, status === 'ok' ? 200 : 503, { status });
        return Promise.resolve();
      },
    },
    {
      method: 'GET',
      route: '/metrics',
      permission: OPERATORS,
      anyProtocol: true,
      description: {
        summary: 'Figures for Prometheus',
        params: noParams,
        answer: { as: 'media', type: METRICS_TYPE, what: "Prometheus' text format." },
      },
      answer: async ({ response }) => {
        const text = metrics.text(await gauges());
        response.writeHead(200, { 'content-type': METRICS_TYPE, 'content-length': Buffer.byteLength(text) });
        response.end(text);
      },
    },
  ];
}
