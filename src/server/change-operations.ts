import { machine, object } from '../common/params.js';
import { listOf } from '../common/shapes.js';
import * as answers from './answers/change-answers.js';
import { describeCaller } from './caller.js';
import { operation, type Operation } from './operation.js';
import { noParams } from './request-params.js';

/** What operators do about data that has suddenly changed. */
export const CHANGE_OPERATIONS: readonly Operation[] = [
  operation({
    method: 'GET',
    route: '/v1/held-machines',
    answer: 'json',
    summary: 'The machines of which nothing is deleted since too much of their data has changed',
    params: noParams,
    result: listOf(answers.heldMachine),
    claim: () => ({ kind: 'list' }),
    what: () => 'the machines',
    run: ({ engine }) => Promise.resolve(engine.heldMachines()),
  }),
  operation({
    method: 'POST',
    route: '/v1/acknowledge',
    // So that it is logged.
    answer: 'stream',
    summary: 'Say that what has changed in a machine is as it should be',
    details: 'What was kept since too much had changed may be deleted again, and so much counts as what may come.',
    params: object({ machine }),
    result: answers.acknowledged,
    claim: () => ({ kind: 'machines' }),
    what: (request) => `the sudden change of ${request.machine}`,
    run: async ({ engine, alerts }, request, { caller }) => {
      const by = describeCaller(caller);
      const held = await engine.acknowledge(request.machine, by);
      alerts.end('sudden-change', request.machine, `${by} has acknowledged the sudden change of ${request.machine}`);
      return { ...held, by };
    },
  }),
];
