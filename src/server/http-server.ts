import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Clock } from '../common/clock.js';
import { isUmbraError, messageOf, UmbraError } from '../common/errors.js';
import type { Log } from '../common/log.js';
import type { StatusResult, StopResult } from '../protocol/api.js';
import { toWireError } from '../protocol/wire-error.js';
import { ByteAnswer, type ByteSink } from './byte-answer.js';
import { checkProtocol, readParams, sendError, sendJson } from './http-request.js';
import type { IdleTimer } from './idle.js';
import type { Job, Jobs } from './jobs.js';
import type { Prepared, Services } from './operation.js';
import { OPERATIONS } from './operations.js';
import { jobId } from './request-params.js';
import { findRoute, parseTarget } from './router.js';
import { StreamAnswer } from './stream-answer.js';

export interface HttpServerOptions {
  /** Resolves when the store is open; rejects with why it can't be. */
  readonly services: () => Promise<Services>;
  readonly jobs: Jobs;
  readonly idle: IdleTimer;
  /** Aborted, with SERVER_STOPPING as its reason, when the server shuts down: leases end. */
  readonly stopping: AbortSignal;
  readonly clock: Clock;
  readonly log: Log;
  readonly status: () => StatusResult;
  /** Shuts everything down but this HTTP server, which goes last. */
  readonly stop: () => Promise<StopResult>;
}

interface Route {
  readonly method: string;
  readonly route: string;
  /** Also for clients of another protocol, so that they can find out and stop the server. */
  readonly anyProtocol: boolean;
  readonly answer: (exchange: Exchange) => Promise<void>;
}

interface Exchange {
  readonly url: URL;
  readonly tail: string | undefined;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Aborted when the client goes away before its answer is complete. */
  readonly gone: AbortSignal;
}

const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;

/** The HTTP server of a store, not yet listening. Nothing that a client sends makes it throw. */
export function createHttpServer(options: HttpServerOptions): Server {
  const routes = [...controlRoutes(options), ...operationRoutes(options)];
  const server = createServer(
    { headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS },
    (request, response) => {
      void serve(request, response, routes, options);
    },
  );
  server.on('clientError', (_error, socket) => {
    refuseConnection(socket);
  });
  return server;
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  routes: readonly Route[],
  { idle, log }: HttpServerOptions,
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
    const match = findRoute(routes, request.method ?? '', url.pathname);
    if (match === undefined) {
      sendError(response, new UmbraError('BAD_ARGUMENT', `there is no route ${url.pathname}`), 404);
    } else if ('allow' in match) {
      response.setHeader('allow', match.allow.join(', '));
      const message = `${url.pathname} takes ${match.allow.join(', ')}, not ${request.method ?? ''}`;
      sendError(response, new UmbraError('BAD_ARGUMENT', message), 405);
    } else {
      if (!match.target.anyProtocol) checkProtocol(request);
      await match.target.answer({ url, tail: match.tail, request, response, gone: gone.signal });
    }
  } catch (error) {
    if (!isUmbraError(error)) log.error('defect', { route: request.url, error: stackOf(error) });
    sendError(response, error);
  } finally {
    // What is left of the body is of no use to anyone; closing is the cheapest way to be rid of it. The request itself
    // may be destroyed already, which in some versions of Node.js leaves its connection open.
    if (!request.complete) response.once('finish', () => socket.destroy());
  }
}

/** Routes that speak about the server itself. */
function controlRoutes({ jobs, status, stop }: HttpServerOptions): readonly Route[] {
  return [
    {
      method: 'GET',
      route: '/v1/status',
      anyProtocol: true,
      answer: ({ response }) => {
        sendJson(response, 200, status());
        return Promise.resolve();
      },
    },
    {
      method: 'POST',
      route: '/v1/stop',
      anyProtocol: true,
      answer: async ({ response }) => {
        sendJson(response, 200, await stop());
      },
    },
    {
      method: 'DELETE',
      route: '/v1/jobs/:id',
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

function operationRoutes(options: HttpServerOptions): readonly Route[] {
  return OPERATIONS.map(({ method, route, answer, prepare }) => ({
    method,
    route,
    anyProtocol: false,
    answer: async (exchange) => {
      const prepared = prepare(await readParams(exchange.request, exchange.url));
      const services = await options.services();
      if (answer === 'stream') await answerStream(exchange, prepared, services, options);
      else if (answer === 'bytes') await answerBytes(exchange, prepared, services, options);
      else sendJson(exchange.response, 200, await runJob(exchange, prepared, services, options));
    },
  }));
}

async function answerStream(
  { response, gone }: Exchange,
  prepared: Prepared,
  services: Services,
  options: HttpServerOptions,
): Promise<void> {
  options.jobs.refuse(prepared.claim);
  const stream = new StreamAnswer(response, options.clock);
  try {
    const result = await runJob({ gone }, prepared, services, options, stream);
    stream.send({ result });
    if (prepared.hold !== undefined) {
      stream.send({ ended: await prepared.hold(services, AbortSignal.any([gone, options.stopping])) });
    }
  } catch (error) {
    stream.send({ error: toWireError(error) });
  } finally {
    stream.end();
  }
}

async function answerBytes(
  { response, gone }: Exchange,
  prepared: Prepared,
  services: Services,
  options: HttpServerOptions,
): Promise<void> {
  const bytes = new ByteAnswer(response);
  try {
    await runJob({ gone }, prepared, services, options, undefined, bytes);
    bytes.end();
  } catch (error) {
    // Before the first byte it is an answer as every other.
    if (!bytes.hasBegun) throw error;
    bytes.end(error);
  }
}

/** Run an operation as a job that ends when its client is gone, and log how it went. */
function runJob(
  { gone }: Pick<Exchange, 'gone'>,
  prepared: Prepared,
  services: Services,
  { jobs, log, clock }: HttpServerOptions,
  stream?: StreamAnswer,
  bytes?: ByteSink,
): Promise<unknown> {
  return jobs.run(prepared.claim, prepared.what, async (job) => {
    stream?.send({ job: job.id });
    const cancel = (): void => {
      jobs.cancel(job.id);
    };
    gone.addEventListener('abort', cancel);
    if (gone.aborted) cancel();
    const startedMs = clock.monotonic();
    try {
      const result = await prepared.run(services, {
        signal: job.signal,
        progress: (progress) => stream?.progress(progress),
        emit: async (items) => stream?.items(items),
        ...(bytes === undefined ? {} : { bytes }),
      });
      if (stream !== undefined) log.info('job done', { ...describe(job), seconds: secondsSince(clock, startedMs) });
      return result;
    } catch (error) {
      logFailure(log, job, error, secondsSince(clock, startedMs));
      throw error;
    } finally {
      gone.removeEventListener('abort', cancel);
    }
  });
}

function describe(job: Job): { job: number; kind: string; what: string } {
  return { job: job.id, kind: job.claim.kind, what: job.what };
}

function secondsSince(clock: Clock, startedMs: number): number {
  return Math.round(clock.monotonic() - startedMs) / 1000;
}

function logFailure(log: Log, job: Job, error: unknown, seconds: number): void {
  const fields = { ...describe(job), seconds };
  if (job.signal.aborted) log.info('job cancelled', fields);
  else if (isUmbraError(error)) log.warn('job failed', { ...fields, code: error.code, error: error.message });
  else log.error('job failed by a defect', { ...fields, error: stackOf(error) });
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : messageOf(error);
}

/** For what is not HTTP. */
function refuseConnection(socket: Duplex): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const body = `${JSON.stringify({ error: { code: 'BAD_ARGUMENT', message: 'this is not an HTTP request' } })}\n`;
  socket.end(
    `HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
}
