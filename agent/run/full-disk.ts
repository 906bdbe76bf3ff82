import { isUmbraError, messageOf, systemCode, UmbraError } from '../../src/common/errors.js';

const FULL: readonly (string | undefined)[] = ['ENOSPC', 'EDQUOT'];

/** What fails for want of room where an agent keeps its state is no defect, and can be helped. Other errors come back as they are. */
export function asFullDisk(error: unknown): unknown {
  if (isUmbraError(error) || !FULL.includes(systemCode(error))) return error;
  return new UmbraError('AGENT_FAILED', `the disk of the agent is full: ${messageOf(error)}`, {
    hint: 'Make room on its host where its state and its scratch files are ("state" and "scratch" in its configuration).',
    cause: error,
  });
}
