import { setTimeout } from 'node:timers/promises';
import { systemClock, type Clock } from '../../src/common/clock.js';
import { count, record } from '../json-values.js';

/** Asks the guest agent to do something. @returns what it returns, within the time. @throws {UmbraError} */
export type AskAgent = (
  command: string,
  args: Readonly<Record<string, unknown>>,
  timeoutMs: number,
) => Promise<unknown>;

/**
 * How long it may take in all: nobody waits but the backup. A guest agent does one thing after the other, so one that is still at it then
 * can't freeze anything.
 */
const READY_MS = 40_000;
const POLL_MS = 20;

/**
 * Have a guest do what it can of a freeze while it goes on: when it is frozen every program that writes waits. Not all guest agents may
 * do so: never rejects, the freeze takes longer then.
 */
export async function readyGuest(ask: AskAgent, clock: Clock = systemClock): Promise<void> {
  const deadline = clock.monotonic() + READY_MS;
  const inTime = async (command: string, args: Readonly<Record<string, unknown>>): Promise<unknown> =>
    await ask(command, args, Math.max(1, deadline - clock.monotonic()));
  // What it needs to look for file systems is in memory then. Unlike a freeze, it runs no scripts of the guest.
  await inTime('guest-get-fsinfo', {}).catch(() => undefined);
  const isOver = (): boolean => clock.monotonic() >= deadline;
  if (!isOver()) await flushGuest(inTime, isOver).catch(() => undefined);
}

/** A file system that is frozen writes what its cache holds. */
async function flushGuest(
  ask: (command: string, args: Readonly<Record<string, unknown>>) => Promise<unknown>,
  isOver: () => boolean,
): Promise<void> {
  const pid = count(record(await ask('guest-exec', { path: 'sync' }))['pid']);
  if (pid === undefined) return;
  while (!isOver()) {
    if (record(await ask('guest-exec-status', { pid }))['exited'] !== false) return;
    await setTimeout(POLL_MS);
  }
}
