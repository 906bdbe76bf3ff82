import type { IncomingMessage, ServerResponse } from 'node:http';
import { isUmbraError, UmbraError } from '../common/errors.js';
import { accessRoutes, type AccessRouteOptions } from './access-routes.js';
import { checkPermission } from './caller.js';
import { controlRoutes, type ControlOptions } from './control-routes.js';
import type { Identified, Route } from './exchange.js';
import { checkProtocol, sendError } from './http-request.js';
import type { IdleTimer } from './idle.js';
import { agentTasksRoute } from './agent-tasks-route.js';
import { ingestRoute } from './ingest-route.js';
import { objectRoutes } from './object-routes.js';
import { OPERATIONS } from './operations.js';
import { findRoute, parseTarget } from './router.js';
import { openApiRoute } from './openapi-route.js';
import { operationRoute, type RunOperationOptions } from './run-operation.js';
import { stackOf } from './server-log.js';
import { watchRoutes, type WatchOptions } from './watch-routes.js';

export interface RequestHandlerOptions extends RunOperationOptions, ControlOptions, AccessRouteOptions, WatchOptions {
  readonly idle: IdleTimer;
}

/**
 * Says who sent a request, from its connection and its header: nothing of the body was read. Undefined for a stranger.
 * @throws {UmbraError} for who claims to be somebody and is not
 */
export type Identify = (request: IncomingMessage) => Identified | undefined;

/** Answers one request. Never rejects: nothing that a client sends makes it throw. */
export type RequestHandler = (request: IncomingMessage, response: ServerResponse, identify: Identify) => Promise<void>;

/** What answers the requests to a store's server, whichever way they come. */
export function createRequestHandler(options: RequestHandlerOptions): RequestHandler {
  const routes = serverRoutes(options);
  return (request, response, identify) => handle(request, response, identify, routes, options);
}

/** Everything that a server answers. */
export function serverRoutes(options: RequestHandlerOptions): readonly Route[] {
  const routes: readonly Route[] = [
    ...controlRoutes(options),
    ...accessRoutes(options),
    ...watchRoutes(options),
    ...OPERATIONS.map((operation) => operationRoute(operation, options)),
    agentTasksRoute(options),
    ingestRoute(options),
    ...objectRoutes(options),
    openApiRoute(() => routes),
  ];
  return routes;
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  identify: Identify,
  routes: readonly Route[],
  { idle, log }: RequestHandlerOptions,
): Promise<void> {
  const done = idle.begin();
  const { socket } = request;
  const gone = new AbortController();
  response.on('error', () => undefined);
  response.on('close', () => {
    if (!response.writableFinished) gone.abort(new UmbraError('CANCELLED', 'cancelled'));
    done();
  });
  try {
    const url = parseTarget(request.url);
    const { caller, serial } = identify(request) ?? {};
    const match = findRoute(routes, request.method ?? '', url.pathname);
    if (match === undefined) {
      sendError(response, new UmbraError('BAD_ARGUMENT', `there is no route ${url.pathname}`), 404);
    } else if ('allow' in match) {
      response.setHeader('allow', match.allow.join(', '));
      const message = `${url.pathname} takes ${match.allow.join(', ')}, not ${request.method ?? ''}`;
      sendError(response, new UmbraError('BAD_ARGUMENT', message), 405);
    } else {
      const { target, tail } = match;
      checkPermission(target.permission, caller, `${target.method} ${target.route}`);
      if (!target.anyProtocol) checkProtocol(request);
      const sender = { caller, ...(serial === undefined ? {} : { serial }) };
      await target.answer({ url, tail, ...sender, request, response, gone: gone.signal });
    }
  } catch (error) {
    if (!isUmbraError(error)) log.error('defect', { route: request.url, error: stackOf(error) });
    sendError(response, error);
  } finally {
    // What is left of the body is of no use to anyone; closing is the cheapest way to be rid of it. The request itself
    // may be destroyed already, which in some versions of Node.js leaves its connection open.
    response.once('finish', () => {
      if (!request.complete) socket.destroy();
    });
  }
}
