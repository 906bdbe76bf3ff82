import { object, string, whole } from '../common/params.js';
import * as answers from './answers/alert-answers.js';
import { operation, type Operation } from './operation.js';

const MOST_RECENT = 1000;

/** Operations about alerts, and who is told of them. */
export const ALERT_OPERATIONS: readonly Operation[] = [
  operation({
    method: 'POST',
    route: '/v1/alerts/list',
    answer: 'json',
    summary: 'The alerts that go on, those that have ended, and who is told of them',
    details: 'Of those that have ended the last thousand are kept.',
    params: object({}, { limit: whole(0, MOST_RECENT) }),
    result: answers.alerts,
    claim: () => ({ kind: 'alerts' }),
    what: () => 'the alerts',
    run: ({ alerting }, request) => Promise.resolve(alerting.list(request)),
  }),
  operation({
    method: 'POST',
    route: '/v1/alerts/test',
    answer: 'json',
    summary: 'Tell a channel, or all of them, that nothing is wrong',
    details: 'What came of it is a result, not an error.',
    params: object({}, { channel: string }),
    result: answers.tested,
    claim: () => ({ kind: 'alerts' }),
    what: ({ channel }) => channel ?? 'all channels',
    run: ({ alerting }, request) => alerting.test(request),
  }),
];
