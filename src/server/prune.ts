import { isUmbraError } from '../common/errors.js';
import { applyKeepRules } from '../policies/keep.js';
import type { Policies } from '../policies/policy.js';
import { policyOf, type EffectivePolicy } from '../policies/resolve-policy.js';
import type { PrunedShadowCopy, PruneResult } from '../protocol/policies-api.js';
import type { Listing } from '../store/catalog.js';
import { assertOneStays, type Forget } from '../store/one-stays.js';
import type { Store } from '../store/store.js';
import type { MachineOnHost } from '../store/stored-policies.js';
import { assertMayForget } from './forget.js';

/** So many verdicts are given out at a time. */
const BATCH = 500;
/** Why one is passed over that is not kept. */
const PASSED_OVER = ['LAST_SHADOW_COPY', 'SHADOW_COPY_OPEN', 'SHADOW_COPY_PROTECTED', 'SHADOW_COPY_HELD'] as const;

export interface PruneContext {
  readonly dryRun: boolean;
  readonly store: Store;
  readonly policies: Policies;
  readonly machines: readonly MachineOnHost[];
  readonly nowMs: number;
  readonly signal: AbortSignal;
  readonly emit: (items: readonly PrunedShadowCopy[]) => Promise<void>;
  readonly forget: Forget;
}

/** What policies say of one shadow copy. */
interface Verdict {
  readonly listing: Listing;
  readonly effective: EffectivePolicy;
  readonly keptBy: readonly string[];
}

/**
 * Delete what policies do not keep, or with `dryRun` say what that is. What may not be deleted is passed over, and said.
 * @throws {UmbraError} STORE_*, CANCELLED
 */
export async function prune(context: PruneContext): Promise<PruneResult> {
  const counts = { kept: 0, deleted: 0, skipped: 0 };
  for (const machine of context.machines) {
    const pruned: PrunedShadowCopy[] = [];
    for (const verdict of judge(machine, context)) {
      context.signal.throwIfAborted();
      const item = await carryOut(verdict, context);
      if (item === undefined) continue;
      counts[item.fate] += 1;
      pruned.push(item);
      if (pruned.length >= BATCH) await context.emit(pruned.splice(0));
    }
    if (pruned.length > 0) await context.emit(pruned);
  }
  return { dryRun: context.dryRun, machines: context.machines.length, ...counts };
}

/** The newest first. The one that was made last stays, too: by a clock that was wrong it need not be the newest. */
function judge({ machine, host }: MachineOnHost, { store, policies, nowMs }: PruneContext): Verdict[] {
  const effective = policyOf(policies, machine, host);
  const { keep, timeZone } = effective.policy;
  const last = store.catalog.latest(machine);
  return applyKeepRules(store.catalog.shadowCopies(machine), keep, { timeZone, nowMs }).map(
    ({ shadowCopy, keptBy }) => ({
      listing: shadowCopy,
      effective,
      keptBy: keptBy.length === 0 && shadowCopy === last ? ['made last'] : keptBy,
    }),
  );
}

/** @returns undefined if somebody else has deleted it meanwhile */
async function carryOut(verdict: Verdict, context: PruneContext): Promise<PrunedShadowCopy | undefined> {
  const { listing, effective, keptBy } = verdict;
  const about = {
    machine: listing.machine,
    shadowCopy: listing.name,
    time: new Date(listing.timeMs).toISOString(),
    policy: effective.name,
    keptBy,
  };
  if (keptBy.length > 0) return { ...about, fate: 'kept' };
  const outcome = await tryToDelete(listing, context);
  if (typeof outcome === 'string') return { ...about, fate: 'skipped', reason: outcome };
  return outcome ? { ...about, fate: 'deleted' } : undefined;
}

/** Delete it, unless that may not be. @returns why it may not; false if it was gone */
async function tryToDelete(listing: Listing, context: PruneContext): Promise<string | boolean> {
  const { store } = context;
  try {
    // Somebody may delete those that are to stay meanwhile.
    assertOneStays(store.catalog, [listing]);
    await assertMayForget(store, listing);
    return context.dryRun || (await context.forget(listing, { oneStays: true }));
  } catch (error) {
    if (isUmbraError(error, ...PASSED_OVER)) return error.message;
    throw error;
  }
}
