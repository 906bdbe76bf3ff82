import { boolean, machine, object, whole } from '../common/params.js';
import * as answers from './answers/job-answers.js';
import { operation, type Operation } from './operation.js';
import { checkPoliciesParams } from './policy-params.js';
import { noParams } from './request-params.js';

const MOST_JOBS = 20_000;

const jobParams = object({ id: whole(1, Number.MAX_SAFE_INTEGER) });
const jobsParams = object({}, { machine, failed: boolean, limit: whole(0, MOST_JOBS) });

/** Operations about what the server does by itself. */
export const JOB_OPERATIONS: readonly Operation[] = [
  operation({
    method: 'POST',
    route: '/v1/jobs/list',
    answer: 'json',
    summary: 'What the server does by itself: the jobs that run, that wait, and that have ended',
    details: 'Of those that have ended the last thousand are kept, and the last ones of each machine.',
    params: jobsParams,
    result: answers.jobs,
    claim: () => ({ kind: 'jobs' }),
    what: () => 'the jobs',
    run: ({ scheduling }, request) => scheduling.list(request),
  }),
  operation({
    method: 'POST',
    route: '/v1/jobs/show',
    answer: 'json',
    summary: 'A job, how far it is, and what it has to say',
    params: jobParams,
    result: answers.jobDetails,
    claim: () => ({ kind: 'jobs' }),
    what: ({ id }) => `job ${id}`,
    run: ({ scheduling }, { id }) => scheduling.find(id),
  }),
  operation({
    method: 'POST',
    route: '/v1/jobs/cancel',
    answer: 'json',
    summary: 'Cancel a job; one that runs ends soon after',
    details: 'What it was to do is done when its machine is due again.',
    params: jobParams,
    result: answers.jobDetails,
    claim: () => ({ kind: 'jobs' }),
    what: ({ id }) => `job ${id}`,
    run: ({ scheduling }, { id }) => scheduling.cancel(id),
  }),
  operation({
    method: 'GET',
    route: '/v1/schedule',
    answer: 'json',
    summary: 'What is done next for each protected machine, and why then',
    params: noParams,
    result: answers.schedule,
    claim: () => ({ kind: 'jobs' }),
    what: () => 'the schedule',
    run: ({ scheduling }) => scheduling.plan(),
  }),
  operation({
    method: 'POST',
    route: '/v1/schedule/preview',
    answer: 'json',
    summary: 'What would be done next for each protected machine if other policies held',
    params: checkPoliciesParams,
    result: answers.schedule,
    claim: () => ({ kind: 'jobs' }),
    what: () => 'the schedule',
    run: async ({ engine, scheduling }, request) => await scheduling.plan(await engine.policies().parse(request)),
  }),
];
