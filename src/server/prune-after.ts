import { isUmbraError, messageOf } from '../common/errors.js';
import type { PrunedShadowCopy } from '../protocol/policies-api.js';
import type { FilesService } from '../../mount/files/files-service.js';
import type { PolicyService } from './policy-service.js';

/** More are counted. */
const MOST_NAMED = 5;

/** What is needed of a server's services. */
export interface PruneParts {
  readonly engine: { readonly policies: () => Pick<PolicyService, 'prune'> };
  readonly files: Pick<FilesService, 'forget'>;
}

export interface PrunedAfter {
  readonly deleted: number;
  /** For the log of the job that made it. */
  readonly notes: readonly string[];
}

/**
 * Delete what the policy of a machine does not keep, now that it has one shadow copy more. That one is made whether or not this works: what
 * keeps it from being done is a note.
 */
export async function pruneAfter(
  { engine, files }: PruneParts,
  machine: string,
  signal: AbortSignal,
): Promise<PrunedAfter> {
  const names: string[] = [];
  const emit = (items: readonly PrunedShadowCopy[]): Promise<void> => {
    names.push(...forgetDeleted(files, items));
    return Promise.resolve();
  };
  try {
    await engine.policies().prune({ machines: [machine], dryRun: false }, { signal, emit });
    return { deleted: names.length, notes: said(names) };
  } catch (error) {
    if (!isUmbraError(error) && !signal.aborted) throw error;
    const why = `not all was deleted that the policy does not keep: ${messageOf(error)}`;
    return { deleted: names.length, notes: [...said(names), why] };
  }
}

/** Who looked into what is deleted keeps its data from collection, for a while: no longer. @returns the names of what was deleted */
export function forgetDeleted(files: PruneParts['files'], items: readonly PrunedShadowCopy[]): string[] {
  const deleted = items.filter(({ fate }) => fate === 'deleted');
  for (const { machine, shadowCopy } of deleted) files.forget(machine, shadowCopy);
  return deleted.map(({ shadowCopy }) => shadowCopy);
}

function said(names: readonly string[]): string[] {
  if (names.length === 0) return [];
  const more = names.length - MOST_NAMED;
  const named = names.slice(0, MOST_NAMED).join(', ');
  return [`deleted, as the policy does not keep it: ${named}${more > 0 ? ` and ${more} more` : ''}`];
}
