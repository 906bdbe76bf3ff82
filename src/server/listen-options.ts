import type { HostAndPort } from '../protocol/server-address.js';
import type { RemoteServerLimits } from './remote-server.js';

/** The HTTPS port of a server. */
export interface ListenOptions {
  readonly address: HostAndPort;
  /** Further names that clients reach the server by. */
  readonly names: readonly string[];
  /** For tests. */
  readonly limits?: Partial<RemoteServerLimits>;
}
