import { closeSync, constants, openSync } from 'node:fs';
import { join } from 'node:path';

/** `sun_path` holds 108 bytes, one of them for the final NUL (unix(7)); Node cuts what is longer without a word. */
const MAX_PATH_BYTES = 107;

const SOCKET_NAME = 'server.sock';

/** The server's socket of a store; the path may be too long to bind or connect to. */
export function socketPath(store: string): string {
  return join(store, SOCKET_NAME);
}

/** A path that bind(2) and connect(2) take; valid until {@link release}. */
export interface SocketAddress {
  readonly path: string;
  /** Idempotent. */
  readonly release: () => void;
}

/**
 * The address of a store's socket. Where the path is too long for a socket address, the directory
 * is held open and named through /proc/self/fd, so that the socket lies in the store whatever the
 * length of the store's path.
 * @throws the system's error when the store's directory can't be opened (only where the path is too long)
 */
export function socketAddress(store: string): SocketAddress {
  const path = socketPath(store);
  if (Buffer.byteLength(path) <= MAX_PATH_BYTES) return { path, release: () => undefined };
  const fd = openSync(store, constants.O_RDONLY | constants.O_DIRECTORY);
  let open = true;
  return {
    path: `/proc/self/fd/${fd}/${SOCKET_NAME}`,
    release: () => {
      if (open) closeSync(fd);
      open = false;
    },
  };
}
