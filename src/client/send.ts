import { lstatSync } from 'node:fs';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { systemCode, UmbraError } from '../common/errors.js';
import { PROTOCOL_HEADER, PROTOCOL_VERSION } from '../protocol/version.js';
import type { Message } from '../transport/message.js';
import { socketAddress, socketPath } from '../protocol/socket-path.js';

/** The codes of a socket behind which no server is, or one that goes away before it looks at the request. */
const NOT_ANSWERING: readonly string[] = ['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ENOTDIR'];

/** True if `error`, thrown by {@link send}, means that no server took the request. */
export function isNotAnswering(error: unknown): boolean {
  return NOT_ANSWERING.includes(systemCode(error) ?? '');
}

/**
 * Send one request to the server of a store, and give its answer as soon as the header is there.
 * @throws {UmbraError} NOT_OWNER; and the system's error when the socket can't be reached, see {@link isNotAnswering}
 */
export async function send(store: string, message: Message): Promise<IncomingMessage> {
  checkSocketOwner(store);
  const address = socketAddress(store);
  try {
    return await new Promise((resolve, reject) => {
      const body = message.body === undefined ? undefined : JSON.stringify(message.body);
      const request = httpRequest({
        socketPath: address.path,
        method: message.method,
        path: message.path,
        agent: false,
        headers: {
          host: 'umbra',
          [PROTOCOL_HEADER]: PROTOCOL_VERSION,
          ...(body === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
        },
      });
      request.on('response', resolve);
      request.on('error', reject);
      request.end(body);
    });
  } catch (error) {
    if (systemCode(error) !== 'EACCES' && systemCode(error) !== 'EPERM') throw error;
    throw notOwner(store, error);
  } finally {
    address.release();
  }
}

/** Who can write to the store's directory could have put a socket of his own there. */
function checkSocketOwner(store: string): void {
  const user = process.geteuid?.();
  const stat = lstatOf(socketPath(store), store);
  if (stat === undefined || stat.uid === user) return;
  if (user === 0 && lstatOf(store, store)?.uid === stat.uid) return;
  throw notOwner(store, undefined);
}

function lstatOf(path: string, store: string): { readonly uid: number } | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (systemCode(error) === 'EACCES') throw notOwner(store, error);
    throw error;
  }
}

function notOwner(store: string, cause: unknown): UmbraError {
  return new UmbraError('NOT_OWNER', `the store ${store} belongs to another user`, {
    hint: 'Run umbra as that user.',
    ...(cause === undefined ? {} : { cause }),
  });
}
