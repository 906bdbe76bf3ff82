import { isUmbraError, UmbraError } from '../common/errors.js';
import type { Client } from './client.js';
import { requests } from './requests.js';

/**
 * Have a server that a command started, and that does nothing, make room for another one; resolves when the store is free.
 * Nothing is done where none answers.
 * @throws {UmbraError} STORE_IN_USE with what keeps it, and what to do; what the server says
 */
export async function makeRoom(client: Client): Promise<void> {
  try {
    const { background, pid, store } = await client.call(requests.status());
    // One of a version that does not know the question would stop, whatever it does.
    if (typeof background === 'boolean') await client.call(requests.stopIdle());
    else throw new UmbraError('STORE_IN_USE', `the store ${store} is in use by process ${pid}`, { hint: STOP_IT });
  } catch (error) {
    if (!isUmbraError(error, 'SERVER_UNREACHABLE', 'STORE_NOT_FOUND')) throw error;
  }
}

const STOP_IT = 'It is of another version: "umbra stop" ends it.';
