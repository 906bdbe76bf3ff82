import { setTimeout } from 'node:timers/promises';
import { count, record } from '../json-values.js';

/** Asks the guest agent to do something. @returns what it returns. @throws {UmbraError} */
export type AskAgent = (command: string, args: Readonly<Record<string, unknown>>) => Promise<unknown>;

const POLL_MS = 20;
/** Half a minute and more: what is not written then is written while the guest is frozen. */
const MAX_POLLS = 1500;

/**
 * Have the guest write what its cache holds while it goes on: a file system that is frozen does it while every program that writes
 * waits. Not all guest agents may run programs, and not all guests have this one: never rejects.
 */
export async function flushGuest(ask: AskAgent): Promise<void> {
  try {
    const pid = count(record(await ask('guest-exec', { path: 'sync' }))['pid']);
    if (pid === undefined) return;
    for (let polls = 0; polls < MAX_POLLS; polls++) {
      if (record(await ask('guest-exec-status', { pid }))['exited'] !== false) return;
      await setTimeout(POLL_MS);
    }
  } catch {
    // The freeze takes longer then.
  }
}
