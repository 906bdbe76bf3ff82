import type { StatusResult } from '../protocol/server-api.js';
import { isUmbraError } from '../common/errors.js';
import type { Services } from './operation.js';

/** What `umbra status` shows of an open store beside its machines; undefined while it is rebuilt. */
export async function knownStatus(
  services: Promise<Services>,
): Promise<Pick<StatusResult, 'held' | 'space'> | undefined> {
  const { engine } = await services;
  try {
    const { report } = engine.space();
    return { held: engine.heldMachines(), ...(report && { space: report }) };
  } catch (error) {
    if (isUmbraError(error, 'STORE_IN_USE', 'STORE_DAMAGED')) return undefined;
    throw error;
  }
}
