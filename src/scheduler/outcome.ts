import { isUmbraError, UmbraError } from '../common/errors.js';
import type { Policy } from '../policies/policy.js';
import { toWireError } from '../protocol/wire-error.js';
import { keptError, saying, type Job } from './job.js';
import { mayPass, MOST_ATTEMPTS, retryDelayMs } from './retry.js';
import type { Made, Newest } from './scheduler-parts.js';
import { fulfils } from './wanted-consistency.js';

/** What a running job has become, now that its attempt has made a shadow copy, or brought the replica up to date. */
export function made(job: Job, { shadowCopy, consistency, notes }: Made, policy: Policy, nowMs: number): Job {
  const isReplica = job.kind === 'replicate';
  let ended: Job = { ...job, endedMs: nowMs, consistency, ...(isReplica ? {} : { shadowCopy }) };
  for (const note of notes) ended = saying(ended, nowMs, note);
  const said = `${isReplica ? 'the replica is as of' : 'made'} ${shadowCopy}, ${consistency}`;
  if (fulfils(consistency, policy.consistency)) return saying({ ...ended, state: 'done' }, nowMs, said);
  const short = `${said}: the policy wants ${policy.consistency}`;
  if (policy.otherwise === 'accept')
    return saying({ ...ended, state: 'done' }, nowMs, `${short}, and takes what it gets`);
  const error = new UmbraError('CONSISTENCY_MISSED', `${shadowCopy} is ${consistency}, not ${policy.consistency}`, {
    hint: `It was made and stays. "umbra machines ${job.machine}" says why it is no better.`,
  });
  return saying({ ...ended, state: 'failed', error: keptError(toWireError(error)) }, nowMs, short);
}

/**
 * What a running job has become, now that its attempt has failed with `error`.
 * @param reason why the attempt was given up, if it was: by whoever cancelled it, or since this server ends
 */
export function failed(job: Job, error: unknown, reason: unknown, nowMs: number, random: () => number): Job {
  // An agent may say so, too, for reasons of its own: that waits as anything else that may pass.
  if (isUmbraError(reason, 'SERVER_STOPPING'))
    return again({ ...job, attempts: job.attempts - 1 }, INTERRUPTED, nowMs, nowMs);
  if (reason !== undefined) return saying({ ...job, state: 'cancelled', endedMs: nowMs }, nowMs, 'cancelled');
  return mayPass(error) ? retryOrFail(job, error, nowMs, random) : fail(job, error, nowMs);
}

/** Why an attempt was given up, if it was. @param isEnding this server ends: it may have refused the attempt before anybody aborted it */
export function givenUpFor({ aborted, reason }: AbortSignal, error: unknown, isEnding: boolean): unknown {
  if (aborted) return reason;
  return isEnding && isUmbraError(error, 'SERVER_STOPPING') ? error : undefined;
}

/** What a job has become that was running when the server died. */
export function interrupted(job: Job, nowMs: number, random: () => number): Job {
  return retryOrFail(job, INTERRUPTED, nowMs, random);
}

/**
 * What a job has become if what it was to make is there although nobody has said so: the server ended, or the agent was lost, when it was stored.
 * @param newest the machine's newest shadow copy; of a replication, the newest that there is
 * @returns undefined if that has not come since the last attempt began
 */
export function madeUnheard(job: Job, newest: Newest | undefined, nowMs: number): Job | undefined {
  if (newest === undefined || newest.name === job.before || newest.timeMs < (job.beganMs ?? Infinity)) return undefined;
  const { error: _error, ...rest } = job;
  const shadowCopy = job.kind === 'replicate' ? {} : { shadowCopy: newest.name };
  const done: Job = { ...rest, state: 'done', endedMs: nowMs, ...shadowCopy };
  return saying(done, nowMs, `${newest.name} was made all the same, and nobody had said so`);
}

/** What became of a job whose server ended. */
export const INTERRUPTED = new UmbraError('SERVER_STOPPING', 'interrupted: the server ended while it ran');

function retryOrFail(job: Job, error: unknown, nowMs: number, random: () => number): Job {
  if (job.attempts >= MOST_ATTEMPTS) return fail(job, error, nowMs);
  return again(job, error, nowMs, nowMs + retryDelayMs(job.attempts, random));
}

function again(job: Job, error: unknown, nowMs: number, readyMs: number): Job {
  const kept = keptError(toWireError(error));
  const seconds = Math.round((readyMs - nowMs) / 1000);
  const text = `${kept.code}: ${kept.message}${seconds === 0 ? '' : `; it is tried again in ${seconds} s`}`;
  return saying({ ...job, state: 'retrying', readyMs, error: kept }, nowMs, text);
}

function fail(job: Job, error: unknown, nowMs: number): Job {
  const kept = keptError(toWireError(error));
  return saying({ ...job, state: 'failed', endedMs: nowMs, error: kept }, nowMs, `${kept.code}: ${kept.message}`);
}
