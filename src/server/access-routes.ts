import type { Access } from '../access/access.js';
import type { Agent } from '../access/access-state.js';
import { UmbraError } from '../common/errors.js';
import type { Clock } from '../common/clock.js';
import type { Log } from '../common/log.js';
import type { AgentInfo, Invitation, NewToken, TokenInfo } from '../protocol/access-api.js';
import { formatToken } from '../protocol/token.js';
import type { Administrator } from '../access/access-state.js';
import type { Shape } from '../common/json-schema.js';
import { fields, listOf, text } from '../common/shapes.js';
import * as params from './access-params.js';
import * as answers from './answers/access-answers.js';
import { AGENTS, EVERYBODY, OPERATORS, type Permission } from './caller.js';
import type { Exchange, Route } from './exchange.js';
import { bodyLimits, readParams, sendJson } from './http-request.js';
import { noParams } from './request-params.js';
import type { Validator } from '../common/params.js';
import type { RemoteAccess } from './remote-access.js';

export interface AccessRouteOptions {
  /** @throws {UmbraError} STORE_DAMAGED, STORE_FAILED */
  readonly remote: () => Promise<RemoteAccess>;
  /** Where the server listens, as others may reach it. */
  readonly urls: () => readonly string[];
  readonly clock: Clock;
  readonly log: Log;
}

const ADMINISTRATORS: Permission = {
  roles: ['administrator'],
  hint: 'It is for administrators who come over the network, with --server.',
};

interface Definition<P, R> {
  readonly method: Route['method'];
  readonly route: string;
  readonly summary: string;
  readonly permission: Permission;
  readonly params: Validator<P>;
  readonly result: Shape<R>;
  readonly run: (remote: RemoteAccess, params: NoInfer<P>, exchange: Exchange) => Promise<NoInfer<R>>;
}

/** Routes about who may use the server. They are no jobs: access is given and taken whatever else runs. */
export function accessRoutes(options: AccessRouteOptions): readonly Route[] {
  return [...tokenRoutes(options), ...agentRoutes(options)];
}

function tokenRoutes({ remote, clock, log }: AccessRouteOptions): readonly Route[] {
  const route = <P, R>(definition: Definition<P, R>): Route => accessRoute(definition, remote);
  return [
    route({
      method: 'GET',
      route: '/v1/tokens',
      summary: 'The administrators that have a token',
      permission: OPERATORS,
      params: noParams,
      result: listOf(answers.token),
      run: ({ access }) => Promise.resolve(access.administrators().map((entry) => tokenInfo(entry, clock))),
    }),
    route({
      method: 'POST',
      route: '/v1/tokens',
      summary: 'Make a token for an administrator',
      permission: OPERATORS,
      params: params.addTokenParams,
      result: answers.newToken,
      run: async ({ access, authority }, { name, lifeSeconds }): Promise<NewToken> => {
        const expiresMs = lifeSeconds === undefined ? undefined : clock.now() + lifeSeconds * 1000;
        const made = await access.addAdministrator(name, expiresMs);
        log.info('token added', { name });
        const token = formatToken({ kind: 'admin', ...made, authority: authority.fingerprint });
        const expires = expiresMs === undefined ? {} : { expires: iso(expiresMs) };
        return { name, created: iso(clock.now()), ...expires, certificates: 0, token };
      },
    }),
    route({
      method: 'DELETE',
      route: '/v1/tokens',
      summary: 'Take away a token, with the certificates that it gave',
      permission: OPERATORS,
      params: params.removeTokenParams,
      result: answers.token,
      run: async ({ access }, { name }): Promise<TokenInfo> => {
        const removed = await access.removeAdministrator(name);
        log.info('token removed', { name });
        return tokenInfo(removed, clock);
      },
    }),
    route({
      method: 'POST',
      route: '/v1/login',
      summary: 'Get a client certificate for a token, or a new one for an old one',
      permission: ADMINISTRATORS,
      params: params.certificateParams,
      result: answers.certificate,
      run: async (opened, { request }, exchange) => {
        const { issueCertificate } = await import('./enrolment.js');
        return await issueCertificate(opened, request, exchange, { clock, log });
      },
    }),
    route({
      method: 'POST',
      route: '/v1/logout',
      summary: 'Give up the certificate that the request came with',
      permission: ADMINISTRATORS,
      params: noParams,
      result: fields<{ readonly name: string }>({ name: text }),
      run: async ({ access }, _params, { caller, serial }) => {
        if (caller?.role !== 'administrator' || serial === undefined) {
          throw new UmbraError('BAD_ARGUMENT', 'there is no certificate to be given up: the request came with a token');
        }
        await access.dropCertificate(caller, serial);
        return { name: caller.name };
      },
    }),
  ];
}

function agentRoutes({ remote, urls, clock, log }: AccessRouteOptions): readonly Route[] {
  const route = <P, R>(definition: Definition<P, R>): Route => accessRoute(definition, remote);
  return [
    route({
      method: 'GET',
      route: '/v1/agents',
      summary: 'The hosts whose agents are enrolled, or invited',
      permission: OPERATORS,
      params: noParams,
      result: listOf(answers.agent),
      run: ({ access }) => Promise.resolve(agentInfos(access)),
    }),
    route({
      method: 'DELETE',
      route: '/v1/agents',
      summary: 'Let an agent out, at once, and withdraw the invitations of its host',
      permission: OPERATORS,
      params: params.revokeAgentParams,
      result: answers.revokedAgent,
      run: async ({ access }, { host }) => {
        const { agent, invitations } = await access.revokeAgent(host);
        log.info('agent revoked', { host, invitations });
        return { host, ...(agent && agentInfo(agent)), invitations };
      },
    }),
    route({
      method: 'POST',
      route: '/v1/agents/invite',
      summary: 'Invite a host: a join token, for one use',
      permission: OPERATORS,
      params: params.inviteParams,
      result: answers.invitation,
      run: async ({ access, authority }, { host, lifeSeconds }): Promise<Invitation> => {
        const expiresMs = clock.now() + lifeSeconds * 1000;
        const made = await access.invite(host, expiresMs);
        log.info('agent invited', { host });
        const isEnrolled = access.agents().some((agent) => agent.host === host && agent.revokedMs === undefined);
        const token = formatToken({ kind: 'join', ...made, authority: authority.fingerprint });
        return { host, token, expires: iso(expiresMs), urls: urls(), isEnrolled };
      },
    }),
    route({
      method: 'POST',
      route: '/v1/agents/enrol',
      summary: 'Enrol an agent with a join token',
      permission: EVERYBODY,
      params: params.enrolParams,
      result: answers.certificate,
      run: async (opened, request, exchange) => {
        const { enrolAgent } = await import('./enrolment.js');
        return await enrolAgent(opened, request, exchange, { clock, log });
      },
    }),
    route({
      method: 'POST',
      route: '/v1/agents/renew',
      summary: 'Get a new certificate for an agent',
      permission: AGENTS,
      params: params.certificateParams,
      result: answers.certificate,
      run: async (opened, { request }, exchange) => {
        const { issueCertificate } = await import('./enrolment.js');
        return await issueCertificate(opened, request, exchange, { clock, log });
      },
    }),
  ];
}

function accessRoute<P, R>(
  { method, route, summary, permission, params: validate, result, run }: Definition<P, R>,
  remote: AccessRouteOptions['remote'],
): Route {
  return {
    method,
    route,
    permission,
    anyProtocol: false,
    description: { summary, params: validate, answer: { as: 'json', result } },
    answer: async (exchange) => {
      const { request, response, url, caller } = exchange;
      const checked = validate(await readParams(request, url, bodyLimits(caller === undefined)), '');
      sendJson(response, 200, await run(await remote(), checked, exchange));
    },
  };
}

function tokenInfo({ name, createdMs, expiresMs, certificates }: Administrator, clock: Clock): TokenInfo {
  const holding = certificates.filter((certificate) => certificate.expiresMs > clock.now());
  return {
    name,
    created: iso(createdMs),
    ...(expiresMs === undefined ? {} : { expires: iso(expiresMs) }),
    certificates: holding.length,
  };
}

/** Those that are enrolled, then those that are only invited. */
function agentInfos(access: Access): readonly AgentInfo[] {
  const invitations = access.invitations();
  const agents = access.agents().map((agent) => agentInfo(agent, invitations.get(agent.host)));
  const known = new Set(agents.map(({ host }) => host));
  const others = [...invitations].filter(([host]) => !known.has(host));
  return [...agents, ...others.map(([host, expiresMs]) => ({ host, invitedUntil: iso(expiresMs) }))];
}

function agentInfo({ host, enrolledMs, certificates, lastSeenMs, revokedMs }: Agent, invitedMs?: number): AgentInfo {
  const newest = certificates.at(-1);
  return {
    host,
    enrolled: iso(enrolledMs),
    ...(newest === undefined ? {} : { certificateExpires: iso(newest.expiresMs) }),
    ...(lastSeenMs === undefined ? {} : { lastSeen: iso(lastSeenMs) }),
    ...(revokedMs === undefined ? {} : { revoked: iso(revokedMs) }),
    ...(invitedMs === undefined ? {} : { invitedUntil: iso(invitedMs) }),
  };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
