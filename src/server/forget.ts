import { isUmbraError, UmbraError } from '../common/errors.js';
import type { ForgetRequest, ForgetResult } from '../protocol/api.js';
import type { Listing } from '../store/catalog.js';
import { assertOneStays, type Forget } from '../store/one-stays.js';
import type { Store } from '../store/store.js';

export interface ForgetContext {
  readonly store: Store;
  readonly signal: AbortSignal;
  readonly forget: Forget;
  /** Told of each one as it is deleted, also if a later one is refused. */
  readonly deleted?: (machine: string, shadowCopy: string) => void;
}

/**
 * Delete the shadow copies that are named, none if one of them may not be. If one may no longer be by the time that its turn comes, the
 * error names those that are deleted.
 * @throws {UmbraError} NOT_FOUND, SHADOW_COPY_PROTECTED, LAST_SHADOW_COPY, SHADOW_COPY_OPEN, STORE_*
 */
export async function forgetShadowCopies(request: ForgetRequest, context: ForgetContext): Promise<ForgetResult> {
  const { store, signal } = context;
  const listings = [...new Set(request.shadowCopies.map(({ machine, version }) => find(store, machine, version)))];
  for (const listing of listings) await assertMayForget(store, listing);
  if (!request.force) assertOneStays(store.catalog, listings);
  const forgotten: { machine: string; shadowCopy: string }[] = [];
  try {
    for (const listing of listings) {
      const { machine, name } = listing;
      signal.throwIfAborted();
      if (!request.dryRun) {
        if (!(await context.forget(listing, { oneStays: !request.force }))) continue;
        context.deleted?.(machine, name);
      }
      forgotten.push({ machine, shadowCopy: name });
    }
  } catch (error) {
    if (request.dryRun || forgotten.length === 0 || !isUmbraError(error)) throw error;
    const names = forgotten.map(({ machine, shadowCopy }) => `${machine}@${shadowCopy}`).join(', ');
    throw new UmbraError(error.code, `${error.message}; deleted before that: ${names}`, {
      ...(error.hint !== undefined && { hint: error.hint }),
      cause: error,
    });
  }
  return { dryRun: request.dryRun, forgotten };
}

/** What is named; who means a replica does not mean the shadow copy that is as new. @throws {UmbraError} NOT_FOUND */
function find({ catalog }: Store, machine: string, version: string): Listing {
  const listing = catalog.find(machine, version);
  if (version !== 'replica' || listing.isReplica === true) return listing;
  throw new UmbraError('NOT_FOUND', `"${machine}" has no replica that is newer than its shadow copies`, {
    hint: `The newest is ${machine}@${listing.name}: name it to delete it.`,
  });
}

/** @throws {UmbraError} SHADOW_COPY_PROTECTED, SHADOW_COPY_OPEN */
export async function assertMayForget(store: Store, listing: Listing): Promise<void> {
  await store.assertUnprotected(listing);
  const holder = store.leases.holder(listing);
  if (holder === undefined) return;
  throw new UmbraError('SHADOW_COPY_OPEN', `${listing.machine}@${listing.name} is in use: ${holder}`, {
    hint: 'Close the file or wait for the command, then try again.',
  });
}
