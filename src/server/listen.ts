import { chmodSync, lstatSync, rmSync, statSync } from 'node:fs';
import type { Server } from 'node:http';
import { messageOf, systemCode, UmbraError } from '../common/errors.js';
import { socketAddress, socketPath } from '../protocol/socket-path.js';

/**
 * Refuse a store whose directory is another user's or may be changed by everyone: such a user
 * could put a socket of his own in the server's place. A directory that is not there is fine.
 * @throws {UmbraError} NOT_OWNER, STORE_FAILED
 */
export function checkStoreOwner(store: string): void {
  const stat = statSync(store, { throwIfNoEntry: false });
  if (stat === undefined) return;
  const user = process.geteuid?.();
  if (stat.uid !== user) {
    throw new UmbraError('NOT_OWNER', `${store} belongs to the user with id ${stat.uid}, not to ${user ?? 'you'}`, {
      hint: 'Run umbra as that user.',
    });
  }
  if ((stat.mode & 0o002) !== 0) {
    throw new UmbraError('STORE_FAILED', `every user of this machine may write to ${store}`, {
      hint: `Run "chmod go-w ${store}".`,
    });
  }
}

/**
 * Listen on the store's socket, which only its owner may use. Called with the store's lock held:
 * a socket that is there already was left behind by a server that was killed, and is replaced.
 * @throws {UmbraError} STORE_FAILED
 */
export async function listenOnStore(server: Server, store: string): Promise<void> {
  try {
    const address = socketAddress(store);
    server.once('close', address.release);
    removeStaleSocket(store);
    const umask = process.umask(0o177);
    try {
      await listen(server, address.path);
    } finally {
      process.umask(umask);
    }
    chmodSync(socketPath(store), 0o600);
  } catch (cause) {
    throw new UmbraError('STORE_FAILED', `cannot listen on ${socketPath(store)}: ${messageOf(cause)}`, { cause });
  }
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.removeListener('error', reject);
      resolve();
    });
  });
}

function removeStaleSocket(store: string): void {
  const path = socketPath(store);
  try {
    if (!lstatSync(path).isSocket()) throw new UmbraError('STORE_FAILED', 'it is not a socket');
    rmSync(path);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
  }
}
