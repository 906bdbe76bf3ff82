import { noParams } from './request-params.js';
import * as answers from './answers/policy-answers.js';
import { operation, type Operation } from './operation.js';
import { forgetDeleted } from './prune-after.js';
import { applyPoliciesParams, checkPoliciesParams, previewPoliciesParams, pruneParams } from './policy-params.js';

/** What operators do with policies. */
export const POLICY_OPERATIONS: readonly Operation[] = [
  operation({
    method: 'GET',
    route: '/v1/policies',
    answer: 'json',
    summary: 'The policies that hold, as text and as understood, and which is whose',
    params: noParams,
    result: answers.policies,
    claim: () => ({ kind: 'policies' }),
    what: () => 'the policies',
    run: ({ engine }) => engine.policies().show(),
  }),
  operation({
    method: 'POST',
    route: '/v1/policies',
    answer: 'json',
    summary: 'Have other policies hold',
    details: 'With "ifDigest", only if those that they are made from still hold.',
    params: applyPoliciesParams,
    result: answers.policies,
    claim: () => ({ kind: 'policies' }),
    what: () => 'the policies',
    run: async ({ engine, scheduling }, request) => {
      const applied = await engine.policies().apply(request);
      scheduling.changed();
      return applied;
    },
  }),
  operation({
    method: 'POST',
    route: '/v1/policies/check',
    answer: 'json',
    summary: 'Say what policies would mean, and what is wrong with them',
    params: checkPoliciesParams,
    result: answers.policiesMeaning,
    claim: () => ({ kind: 'policies' }),
    what: () => 'policies',
    run: ({ engine }, request) => engine.policies().check(request),
  }),
  operation({
    method: 'POST',
    route: '/v1/policies/preview',
    answer: 'stream',
    summary: 'Say which shadow copies other policies than those that hold would keep, and which they would delete',
    params: previewPoliciesParams,
    result: answers.prune,
    items: answers.prunedShadowCopy,
    claim: () => ({ kind: 'policies' }),
    what: ({ machines }) => machines?.join(' ') ?? 'everything',
    run: ({ engine }, request, job) => engine.policies().preview(request, job),
  }),
  operation({
    method: 'POST',
    route: '/v1/prune',
    answer: 'stream',
    summary: 'Delete the shadow copies that the policies do not keep',
    details:
      'With "dryRun" it says what would be deleted and why the others are kept. What is in use, and the last shadow copy of a ' +
      'machine, is passed over.',
    params: pruneParams,
    result: answers.prune,
    items: answers.prunedShadowCopy,
    claim: () => ({ kind: 'forget' }),
    what: ({ machines }) => machines?.join(' ') ?? 'everything',
    run: ({ engine, files }, request, { signal, emit }) =>
      engine.policies().prune(request, {
        signal,
        emit: async (items) => {
          if (!request.dryRun) forgetDeleted(files, items);
          await emit(items);
        },
      }),
  }),
];
