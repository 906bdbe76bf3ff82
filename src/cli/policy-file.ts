import { readFileSync } from 'node:fs';
import { messageOf, UmbraError } from '../common/errors.js';
import type { CheckPoliciesRequest } from '../protocol/policies-api.js';

/**
 * Policies of a file.
 * @param file as the user calls it
 * @throws {UmbraError} BAD_ARGUMENT
 */
export function readPolicyFile(file: string, path: string): CheckPoliciesRequest {
  try {
    return { text: readFileSync(path, 'utf8'), file };
  } catch (cause) {
    throw new UmbraError('BAD_ARGUMENT', `the policies ${file} cannot be read: ${messageOf(cause)}`, {
      hint: `Is ${file} where you mean, and may you read it? "umbra policy show > ${file}" makes one of the policies that hold.`,
      cause,
    });
  }
}
