import { anything } from '../common/shapes.js';
import { EVERYBODY, type Permission } from './caller.js';
import type { Route } from './exchange.js';
import { sendJson } from './http-request.js';
import { noParams } from './request-params.js';

/** Not strangers: a server tells them nothing but how it is. */
const ALL_KNOWN: Permission = { roles: EVERYBODY.roles };

/** The route of the description of all routes, its own among them. */
export function openApiRoute(routes: () => readonly Route[]): Route {
  let document: unknown;
  return {
    method: 'GET',
    route: '/v1/openapi.json',
    permission: ALL_KNOWN,
    anyProtocol: true,
    description: {
      summary: 'This description',
      details: 'OpenAPI 3.1.',
      params: noParams,
      answer: { as: 'json', result: anything },
    },
    answer: async ({ response }) => {
      // Most servers are never asked for it, and start the sooner.
      const { describeRoutes } = await import('./openapi.js');
      document ??= describeRoutes(routes());
      sendJson(response, 200, document);
    },
  };
}
