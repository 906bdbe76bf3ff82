import type { Clock } from '../../src/common/clock.js';
import { messageOf } from '../../src/common/errors.js';
import type { Log } from '../../src/common/log.js';
import type { GuestControl } from './guest-control.js';
import type { StandstillNotes } from './standstill-note.js';

export interface LetGoOptions {
  readonly machine: string;
  readonly frozen: boolean;
  readonly paused: boolean;
  readonly notes?: StandstillNotes;
  readonly clock: Clock;
  readonly log: Log;
}

/** How long each try may take. */
const TRY_MS = 5000;
/** A guest agent that hangs in a freeze thaws as soon as it is back. */
const AGAIN_MS = 2000;
const MAX_TRIES = 300;

/**
 * Let a machine go on. Never rejects. If it is not certain that it does, the note stays for the next agent, and it is tried
 * again in the background for some ten minutes.
 * @returns true if it certainly goes on
 */
export async function letGo(control: GuestControl, options: LetGoOptions, tries = MAX_TRIES): Promise<boolean> {
  const { machine, frozen, paused, notes, clock, log } = options;
  const stillPaused = paused && !(await succeeds(() => control.resume(TRY_MS), 'resume', options));
  const stillFrozen = frozen && !(await isThawed(control, options));
  if (!stillFrozen && !stillPaused) {
    await notes?.remove().catch((error: unknown) => {
      log.warn('a note could not be removed', { machine, reason: messageOf(error) });
    });
    return true;
  }
  if (tries > 1) {
    clock.after(AGAIN_MS, () => {
      void letGo(control, { ...options, frozen: stillFrozen, paused: stillPaused }, tries - 1);
    });
  }
  return false;
}

/** Ask the guest once to let its file systems go on. Never rejects. */
export async function isThawed(
  control: GuestControl,
  options: Pick<LetGoOptions, 'machine' | 'log'>,
): Promise<boolean> {
  return await succeeds(() => control.thaw(TRY_MS), 'thaw', options);
}

/** Undo what an agent that was killed has left: the first thing that is done for a machine. Never rejects. */
export async function undoStandstill(
  control: GuestControl,
  options: Omit<LetGoOptions, 'frozen' | 'paused' | 'notes'> & { readonly notes: StandstillNotes },
): Promise<void> {
  const { notes, log, machine } = options;
  const note = await notes.read().catch(() => ({ frozen: true, paused: true }));
  if (note === undefined) return;
  log.warn('a machine is let go on that an agent left frozen or paused', { machine, ...note });
  await letGo(control, { ...options, ...note }, 1);
  await control.settled?.();
}

async function succeeds(
  work: () => Promise<void>,
  what: string,
  { machine, log }: Pick<LetGoOptions, 'machine' | 'log'>,
): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    log.error(`the machine could not be let go on (${what})`, { machine, reason: messageOf(error) });
    return false;
  }
}
