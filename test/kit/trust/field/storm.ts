import { ok } from 'node:assert/strict';
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../../random.js';
import { assertClear, inTime } from '../fleet/checks.js';
import { together, type Strike } from '../fleet/strikes.js';
import { ACTORS, type Actor } from './actors.js';
import type { Field } from './field.js';
import type { Plan } from './plan.js';

/** Never so, whatever was struck. */
const DAMAGED: readonly unknown[] = ['STORE_DAMAGED', 'FILESYSTEM_DAMAGED'];

export interface StormOptions {
  readonly field: Field;
  /** All that the plan names, and others. */
  readonly strikes: readonly Strike[];
  readonly plan: Plan;
  readonly random: Random;
  /** Ends it at once, in good order. */
  readonly interrupted: AbortSignal;
  readonly say: (line: string) => void;
}

/**
 * Everybody does at once what is done in the field, again and again, while what is planned is struck; resolves when all of them have
 * ended, and what was struck is well.
 * @throws AssertionError, Error if anything that was promised does not hold
 */
export async function storm(options: StormOptions): Promise<void> {
  const { field, plan, random, interrupted } = options;
  const over = new AbortController();
  const isOver = AbortSignal.any([over.signal, interrupted]);
  // Each of them waits for it, and so do we.
  setMaxListeners(ACTORS.length + 2, isOver);
  const isCalm = plan.steps.length === 0;
  const actors = ACTORS.map((actor) => actOn({ actor, field, random: random.fork(), isCalm }, isOver));
  // Whoever finds something ends the storm at once.
  const all = Promise.all(actors).finally(() => {
    over.abort();
  });
  all.catch(() => undefined);
  try {
    await strikeAsPlanned(options, isOver);
  } finally {
    over.abort();
    await Promise.allSettled(actors);
  }
  await all;
}

async function strikeAsPlanned({ field, strikes, plan, say }: StormOptions, isOver: AbortSignal): Promise<void> {
  const began = performance.now();
  for (const { afterMs, strikes: names, downMs } of plan.steps) {
    await pause(afterMs, isOver);
    if (isOver.aborted) return;
    const { strike } = together(names.map((name) => named(strikes, name)));
    say(`  struck: ${names.join(' and ')}`);
    for (const name of names) field.tally.add('strikes', name);
    const mend = await inTime(strike(), names.join(' and '));
    await pause(downMs, isOver);
    await inTime(Promise.resolve(mend()), `${names.join(' and ')} is made good`);
  }
  await pause(plan.seconds * 1000 - (performance.now() - began), isOver);
}

function named(strikes: readonly Strike[], wanted: string): Strike {
  const found = strikes.find(({ name }) => name === wanted);
  if (found === undefined) throw new Error(`there is no strike "${wanted}"`);
  return found;
}

interface Acting {
  readonly actor: Actor;
  readonly field: Field;
  readonly random: Random;
  /** Nothing is struck: it may break off only since others act, too. */
  readonly isCalm: boolean;
}

/** Do it until `over`. What breaks off since something was killed says so clearly; anything else ends it. */
async function actOn({ actor, field, random, isCalm }: Acting, over: AbortSignal): Promise<void> {
  const { name, pauseMs, mayFail, act } = actor;
  while (!over.aborted) {
    await pause(random.fraction() * pauseMs, over);
    try {
      await inTime(act(field, random), `${name} ends`);
      field.tally.add('done', name);
    } catch (error) {
      assertClear(error);
      const { code } = Object(error) as { readonly code?: unknown };
      ok(!DAMAGED.includes(code), `${name}: ${String(error)}`);
      ok(
        !isCalm || mayFail.includes(String(code)),
        `${name}, while nothing was struck: ${String(error)} (${String(code)})`,
      );
      field.tally.add('broken off', `${name} ${String(code)}`);
    }
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(Math.max(0, ms), undefined, { signal }).catch(() => undefined);
}
