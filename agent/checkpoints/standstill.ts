import type { Clock } from '../../src/common/clock.js';
import { messageOf, UmbraError } from '../../src/common/errors.js';
import type { Log } from '../../src/common/log.js';
import type { Consistency } from '../../src/protocol/api.js';
import type { GuestControl } from './guest-control.js';
import { isThawed, letGo } from './let-go.js';
import { runScript, type CheckpointScripts } from './scripts.js';
import type { StandstillNotes } from './standstill-note.js';

export interface StandstillOptions {
  readonly machine: string;
  /** Ask the guest to bring its file systems to rest, if it can. */
  readonly quiesce: boolean;
  /** How long the guest may take to come to rest; then it is let go, and only its processors are stopped. */
  readonly freezeMs: number;
  /** How long the action may take; then it is told to give up, and the machine goes on without waiting for it. */
  readonly actionMs: number;
  readonly scripts?: CheckpointScripts;
  /** Done last before the machine is brought to a standstill: what takes long and need not be of that instant. If it fails, there is none. */
  readonly justBefore?: () => Promise<void>;
  /** Absent for a machine that the control does nothing to: then there is nothing to undo. */
  readonly notes?: StandstillNotes;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** What a standstill was used for, and what it is worth. */
export interface Standstill<T> {
  readonly result: T;
  readonly consistency: Consistency;
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  /** How long the guest stood still or could not write. */
  readonly pauseMs: number;
  /** For people: why the consistency is not better. */
  readonly remarks: readonly string[];
}

/**
 * Bring a machine to a standstill, do something, and let it go on, whatever happens. File systems are brought to rest by the
 * guest where it can; the processors are stopped unless they run on by the control, so that all volumes are of one instant. A machine that is
 * paused or off stays so.
 * @param action - quick; its signal says that the machine is let go on, and that nothing may be kept of what it does
 * @throws {UmbraError} CANCELLED, SCRIPT_FAILED, TRACKER_FAILED, and what `action` throws
 */
export async function standstill<T>(
  control: GuestControl,
  options: StandstillOptions,
  action: (signal: AbortSignal) => Promise<T>,
): Promise<Standstill<T>> {
  const { scripts, machine, clock, log } = options;
  const remarks: string[] = [];
  throwIfCancelled(options.signal);
  try {
    const isScriptDone = await before(options, remarks);
    throwIfCancelled(options.signal);
    const done = await stopAndGo(control, options, action, remarks);
    const isApplication = isScriptDone && scripts?.quiescesApplications === true && done.consistency !== 'offline';
    return { ...done, remarks, consistency: isApplication ? 'application' : done.consistency };
  } finally {
    if (scripts?.after !== undefined) {
      const run = { path: scripts.after, machine, phase: 'after', timeoutMs: scripts.timeoutMs, clock } as const;
      await runScript(run).catch((error: unknown) => {
        remarks.push(messageOf(error));
        log.warn('a script after a checkpoint failed', { machine, reason: messageOf(error) });
      });
    }
  }
}

/** @returns true if there is a script and it succeeded */
async function before({ scripts, machine, clock }: StandstillOptions, remarks: string[]): Promise<boolean> {
  if (scripts?.before === undefined) return false;
  try {
    await runScript({ path: scripts.before, machine, phase: 'before', timeoutMs: scripts.timeoutMs, clock });
    return true;
  } catch (error) {
    if (scripts.onFailure === 'abort') throw error;
    remarks.push(messageOf(error));
    return false;
  }
}

async function stopAndGo<T>(
  control: GuestControl,
  options: StandstillOptions,
  action: (signal: AbortSignal) => Promise<T>,
  remarks: string[],
): Promise<Omit<Standstill<T>, 'remarks'>> {
  const { notes, clock, justBefore } = options;
  const state = await control.state();
  if (state === 'off' || state === 'paused') {
    await justBefore?.();
    throwIfCancelled(options.signal);
    const began = clock.monotonic();
    const timeMs = clock.now();
    const result = await limited(options, action);
    if (state === 'paused') remarks.push('the machine was paused: its file systems could not be brought to rest');
    const consistency = state === 'off' ? 'offline' : 'crash';
    // It stood still anyway, or could have been woken by somebody at any moment.
    return { result, consistency, timeMs, pauseMs: state === 'off' ? 0 : clock.monotonic() - began };
  }
  const canFreeze = options.quiesce && (await isPrepared(control, remarks));
  const stops = control.runsOn !== true;
  await justBefore?.();
  throwIfCancelled(options.signal);
  await notes?.write({ frozen: canFreeze, paused: stops });
  let began = clock.monotonic();
  let isPaused = false;
  let mayBeFrozen = canFreeze;
  let done: { readonly result: T; readonly timeMs: number; readonly isFrozen: boolean };
  let pauseMs: number;
  try {
    const asking = (): void => {
      began = clock.monotonic();
    };
    const isFrozen = canFreeze && (await freeze(control, { ...options, asking }, remarks));
    if (canFreeze && !isFrozen) mayBeFrozen = !(await isThawed(control, options));
    throwIfCancelled(options.signal);
    if (stops) {
      isPaused = true;
      await control.pause(options.actionMs);
    }
    done = { result: await limited(options, action), timeMs: clock.now(), isFrozen };
  } finally {
    const isGone = await letGo(control, { ...options, frozen: mayBeFrozen, paused: isPaused });
    pauseMs = clock.monotonic() - began;
    await control.settled?.();
    if (!isGone) remarks.push('the machine may still be frozen or paused; it is asked to go on again and again');
  }
  const { result, timeMs, isFrozen } = done;
  return { result, timeMs, consistency: isFrozen ? 'filesystem' : 'crash', pauseMs };
}

async function isPrepared(control: GuestControl, remarks: string[]): Promise<boolean> {
  const reason = await control.prepareFreeze();
  if (reason !== undefined) remarks.push(`its file systems were not brought to rest: ${reason}`);
  return reason === undefined;
}

async function freeze(
  control: GuestControl,
  { freezeMs, asking }: StandstillOptions & { readonly asking: () => void },
  remarks: string[],
): Promise<boolean> {
  try {
    await control.freeze(freezeMs, asking);
    return true;
  } catch (error) {
    remarks.push(`its file systems were not brought to rest: ${messageOf(error)}`);
    return false;
  }
}

/** Waits no longer than the limit; the action is then told that nothing may be kept of what it did. */
async function limited<T>(options: StandstillOptions, action: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { actionMs, clock, signal } = options;
  const late = new AbortController();
  return await new Promise<T>((resolve, reject) => {
    const giveUp = (reason: UmbraError): void => {
      late.abort(reason);
      reject(reason);
    };
    const stopWaiting = clock.after(actionMs, () => {
      giveUp(new UmbraError('TRACKER_FAILED', `the checkpoint was not made within ${actionMs} ms`));
    });
    const cancelled = (): void => {
      giveUp(new UmbraError('CANCELLED', 'the checkpoint was cancelled'));
    };
    signal.addEventListener('abort', cancelled, { once: true });
    action(late.signal)
      .then(resolve, reject)
      .finally(() => {
        stopWaiting();
        signal.removeEventListener('abort', cancelled);
      });
  });
}

function throwIfCancelled(signal: AbortSignal): void {
  if (signal.aborted) throw new UmbraError('CANCELLED', 'the checkpoint was cancelled');
}
