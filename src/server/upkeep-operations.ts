import * as answers from './answers/upkeep-answers.js';
import { named, operation, type Operation } from './operation.js';
import { noParams, verifyParams } from './request-params.js';

/** Operations that keep the store sound. */
export const UPKEEP_OPERATIONS: readonly Operation[] = [
  operation({
    method: 'GET',
    route: '/v1/scrub',
    answer: 'json',
    summary: 'How far reading everything again is, and how long ago any object was read, at most',
    params: noParams,
    result: answers.scrub,
    claim: () => ({ kind: 'stats' }),
    what: () => 'the scrub',
    run: ({ upkeep }) => upkeep.scrubbed(),
  }),
  operation({
    method: 'POST',
    route: '/v1/scrub',
    answer: 'stream',
    summary: 'Read everything once, now',
    details:
      'What is damaged is put in quarantine; POST /v1/damage names it. What was read counts as read when this is cancelled, too.',
    params: noParams,
    result: answers.scrub,
    claim: () => ({ kind: 'scrub' }),
    what: () => 'everything',
    run: ({ upkeep }, _request, context) => upkeep.scrubNow(context),
  }),
  operation({
    method: 'POST',
    route: '/v1/damage',
    answer: 'stream',
    summary: 'What is known to be damaged, with the shadow copies, volumes and files that it touches',
    details:
      'Nothing is read to find damage: a scrub or a verification does that. Of many shadow copies, file systems are looked through as a whole ' +
      'only until some were; for one shadow copy it always is.',
    params: verifyParams,
    result: answers.damage,
    claim: () => ({ kind: 'damage' }),
    what: named,
    run: ({ upkeep }, request, context) => upkeep.damage(request, context),
  }),
];
