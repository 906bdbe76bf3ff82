import { UmbraError } from '../common/errors.js';
import type { StatusResult, StopResult } from '../protocol/api.js';
import { OPERATORS } from './caller.js';
import type { Route } from './exchange.js';
import { sendJson } from './http-request.js';
import type { Jobs } from './jobs.js';
import { jobId } from './request-params.js';

export interface ControlOptions {
  readonly jobs: Jobs;
  readonly status: () => StatusResult;
  /** Shuts everything down but the HTTP servers, which go last. */
  readonly stop: () => Promise<StopResult>;
}

/** Routes that speak about the server itself. */
export function controlRoutes({ jobs, status, stop }: ControlOptions): readonly Route[] {
  return [
    {
      method: 'GET',
      route: '/v1/status',
      permission: OPERATORS,
      anyProtocol: true,
      answer: ({ response }) => {
        sendJson(response, 200, status());
        return Promise.resolve();
      },
    },
    {
      method: 'POST',
      route: '/v1/stop',
      permission: OPERATORS,
      anyProtocol: true,
      answer: async ({ response }) => {
        sendJson(response, 200, await stop());
      },
    },
    {
      method: 'DELETE',
      route: '/v1/jobs/:id',
      permission: OPERATORS,
      anyProtocol: false,
      answer: ({ response, tail }) => {
        const id = jobId(tail, 'id');
        if (!jobs.cancel(id)) throw new UmbraError('NOT_FOUND', `there is no job ${id}`);
        sendJson(response, 200, { id });
        return Promise.resolve();
      },
    },
  ];
}
