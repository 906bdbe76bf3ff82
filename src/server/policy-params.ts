import { UmbraError } from '../common/errors.js';
import { boolean, list, machine, object, string, validator } from '../common/params.js';
import { MAX_POLICIES_CHARACTERS } from '../store/settings.js';

/** The parameters of the operations on policies, as src/protocol/policies-api.ts has them. */

const policiesText = validator({ type: 'string', maxLength: MAX_POLICIES_CHARACTERS }, (value, field): string => {
  if (typeof value === 'string' && value.length <= MAX_POLICIES_CHARACTERS) return value;
  throw new UmbraError('BAD_ARGUMENT', `"${field}" must be a text of at most ${MAX_POLICIES_CHARACTERS} characters`);
});

const digest = validator(
  { type: 'string', pattern: '^[0-9a-f]{64}$', examples: ['0'.repeat(64)] },
  (value, field): string => {
    const text = string(value, field);
    if (/^[0-9a-f]{64}$/.test(text)) return text;
    throw new UmbraError('BAD_ARGUMENT', `"${field}" must be a digest, as the policies are answered with`);
  },
);

export const checkPoliciesParams = object({ text: policiesText }, { file: string });
export const applyPoliciesParams = object({ text: policiesText }, { file: string, ifDigest: digest });

export const previewPoliciesParams = object({ text: policiesText }, { file: string, machines: list(machine, 1) });
export const pruneParams = object({ dryRun: boolean }, { machines: list(machine, 1) });
