import type { AlertBoard } from '../alerts/alert.js';
import type { Clock } from '../common/clock.js';
import { isUmbraError, UmbraError } from '../common/errors.js';
import type { Log } from '../common/log.js';
import { toWireError } from '../protocol/wire-error.js';
import { ByteAnswer, type ByteSink } from './byte-answer.js';
import type { Caller } from './caller.js';
import type { Exchange, Route } from './exchange.js';
import { readParams, sendJson } from './http-request.js';
import type { Job, Jobs } from './jobs.js';
import type { Metrics } from './metrics.js';
import type { Operation, Prepared, Services } from './operation.js';
import { stackOf } from './server-log.js';
import { StreamAnswer } from './stream-answer.js';

export interface RunOperationOptions {
  /** Resolves when the store is open; rejects with why it can't be. */
  readonly services: () => Promise<Services>;
  readonly jobs: Jobs;
  /** Aborted, with SERVER_STOPPING as its reason, when the server shuts down: leases end. */
  readonly stopping: AbortSignal;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Whom what goes wrong is told to. */
  readonly alerts: AlertBoard;
}

/** Who asks for an operation, and until when. */
export interface Asked {
  readonly caller: Caller;
  readonly gone: AbortSignal;
  /** The job's number; a new one without it. */
  readonly id?: number;
}

/** The route of an operation. */
export function operationRoute(
  { method, route, answer, permission, description, prepare }: Operation,
  options: RunOperationOptions,
): Route {
  return {
    method,
    route,
    permission,
    anyProtocol: false,
    description,
    answer: async ({ caller, request, response, url, gone }) => {
      if (caller === undefined) throw new UmbraError('INTERNAL', `${route} runs for a stranger`);
      const prepared = prepare(await readParams(request, url));
      const services = await options.services();
      const asked = { caller, gone };
      if (answer === 'stream') await answerStream({ response, asked }, prepared, services, options);
      else if (answer === 'bytes') await answerBytes({ response, asked }, prepared, services, options);
      else sendJson(response, 200, await runJob(asked, prepared, services, options));
    },
  };
}

type Answered = Pick<Exchange, 'response'> & { readonly asked: Asked };

async function answerStream(
  { response, asked }: Answered,
  prepared: Prepared,
  services: Services,
  options: RunOperationOptions,
): Promise<void> {
  options.jobs.refuse(prepared.claim);
  const stream = new StreamAnswer(response, options.clock);
  try {
    const result = await runJob(asked, prepared, services, options, stream);
    stream.send({ result });
    if (prepared.hold !== undefined) {
      stream.send({ ended: await prepared.hold(services, AbortSignal.any([asked.gone, options.stopping])) });
    }
  } catch (error) {
    stream.send({ error: toWireError(error) });
  } finally {
    stream.end();
  }
}

async function answerBytes(
  { response, asked }: Answered,
  prepared: Prepared,
  services: Services,
  options: RunOperationOptions,
): Promise<void> {
  const bytes = new ByteAnswer(response);
  try {
    await runJob(asked, prepared, services, options, undefined, bytes);
    bytes.end();
  } catch (error) {
    // Before the first byte it is an answer as every other.
    if (!bytes.hasBegun) throw error;
    bytes.end(error);
  }
}

/** Run an operation as a job that ends when its client is gone, and log how it went. */
export function runJob(
  { caller, gone, id }: Asked,
  prepared: Prepared,
  services: Services,
  { jobs, log, clock, metrics }: Pick<RunOperationOptions, 'jobs' | 'log' | 'clock' | 'metrics'>,
  stream?: StreamAnswer,
  bytes?: ByteSink,
): Promise<unknown> {
  return jobs.run(
    prepared.claim,
    prepared.what,
    async (job) => {
      stream?.send({ job: job.id });
      const cancel = (): void => {
        jobs.cancel(job.id);
      };
      gone.addEventListener('abort', cancel);
      if (gone.aborted) cancel();
      const startedMs = clock.monotonic();
      try {
        const result = await prepared.run(services, {
          caller,
          signal: job.signal,
          progress: (progress) => stream?.progress(progress),
          emit: async (items) => stream?.items(items),
          ingested: (count) => {
            metrics.ingested(count);
          },
          ...(bytes === undefined ? {} : { bytes }),
        });
        const seconds = secondsSince(clock, startedMs);
        metrics.jobEnded(job.claim, 'done', seconds);
        if (stream !== undefined || id !== undefined || prepared.claim.kind === 'backup')
          log.info('job done', { ...describe(job), seconds });
        return result;
      } catch (error) {
        metrics.jobEnded(job.claim, job.signal.aborted ? 'cancelled' : 'failed', secondsSince(clock, startedMs));
        logFailure(log, job, error, secondsSince(clock, startedMs));
        throw error;
      } finally {
        gone.removeEventListener('abort', cancel);
      }
    },
    id,
  );
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
