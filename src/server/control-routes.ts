import { UmbraError } from '../common/errors.js';
import type { FleetStatus, StatusResult, StopResult } from '../protocol/server-api.js';
import type { ScrubResult } from '../protocol/upkeep-api.js';
import { OPERATORS } from './caller.js';
import type { Route } from './exchange.js';
import { readParams, sendJson } from './http-request.js';
import type { Jobs } from './jobs.js';
import * as answers from './answers/store-answers.js';
import { count, fields } from '../common/shapes.js';
import { refuseToMakeRoom } from './make-room.js';
import { jobId, noParams, stopParams } from './request-params.js';

export interface ControlOptions {
  readonly jobs: Jobs;
  readonly status: () => StatusResult;
  /** Resolves to undefined while it is not known. */
  readonly fleet: () => Promise<FleetStatus | undefined>;
  /** What else is known of the store; undefined as with `fleet`. */
  readonly known: () => Promise<Pick<StatusResult, 'held' | 'space'> | undefined>;
  /** Resolves to undefined while it is not known, as well, and if the server does not read by itself. */
  readonly scrub: () => Promise<ScrubResult | undefined>;
  /** Shuts everything down but the HTTP servers, which go last. */
  readonly stop: () => Promise<StopResult>;
}

/** Routes that speak about the server itself. */
export function controlRoutes({ jobs, status, fleet, known, scrub, stop }: ControlOptions): readonly Route[] {
  return [
    {
      method: 'GET',
      route: '/v1/status',
      permission: OPERATORS,
      anyProtocol: true,
      description: {
        summary: 'What the server is, how the protected machines are, what runs on it, and what it has mounted',
        params: noParams,
        answer: { as: 'json', result: answers.status },
      },
      answer: async ({ response }) => {
        const [machines, read, others] = await Promise.all([fleet(), scrub(), known()]);
        const found = { ...(machines && { fleet: machines }), ...others, ...(read && { scrub: read }) };
        sendJson(response, 200, { ...status(), ...found });
      },
    },
    {
      method: 'POST',
      route: '/v1/stop',
      permission: OPERATORS,
      anyProtocol: true,
      description: {
        summary: 'Stop the server: cancel what runs, unmount, close the store',
        details: 'With "whenIdle" only if a command started it, nothing runs on it, and nothing is mounted.',
        params: stopParams,
        answer: { as: 'json', result: answers.stop },
      },
      answer: async ({ request, response, url }) => {
        const { whenIdle = false } = stopParams(await readParams(request, url), '');
        if (whenIdle) refuseToMakeRoom(status());
        sendJson(response, 200, await stop());
      },
    },
    {
      method: 'DELETE',
      route: '/v1/jobs/:id',
      permission: OPERATORS,
      anyProtocol: false,
      description: {
        summary: 'Cancel a job',
        params: noParams,
        tail: jobId,
        answer: { as: 'json', result: fields<{ readonly id: number }>({ id: count }) },
      },
      answer: ({ response, tail }) => {
        const id = jobId(tail, 'id');
        if (!jobs.cancel(id)) throw new UmbraError('NOT_FOUND', `there is no job ${id}`);
        sendJson(response, 200, { id });
        return Promise.resolve();
      },
    },
  ];
}
