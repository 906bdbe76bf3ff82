import { setTimeout } from 'node:timers/promises';
import { count, record } from '../json-values.js';

/** Asks the guest agent to do something. @returns what it returns. @throws {UmbraError} */
export type AskAgent = (command: string, args: Readonly<Record<string, unknown>>) => Promise<unknown>;

/** How long a guest may take for each answer while it is made ready: nobody waits but the backup. */
export const READY_MS = 10_000;
const POLL_MS = 20;
/** Half a minute and more: what is not written then is written while the guest is frozen. */
const MAX_POLLS = 1500;

/**
 * Have a guest do what it can of a freeze while it goes on: when it is frozen every program that writes waits. Not all guest agents may
 * do so: never rejects, the freeze takes longer then.
 */
export async function readyGuest(ask: AskAgent): Promise<void> {
  // What it needs to look for file systems is in memory then. Unlike a freeze, it runs no scripts of the guest.
  await ask('guest-get-fsinfo', {}).catch(() => undefined);
  await flushGuest(ask).catch(() => undefined);
}

/** A file system that is frozen writes what its cache holds. */
async function flushGuest(ask: AskAgent): Promise<void> {
  const pid = count(record(await ask('guest-exec', { path: 'sync' }))['pid']);
  if (pid === undefined) return;
  for (let polls = 0; polls < MAX_POLLS; polls++) {
    if (record(await ask('guest-exec-status', { pid }))['exited'] !== false) return;
    await setTimeout(POLL_MS);
  }
}
