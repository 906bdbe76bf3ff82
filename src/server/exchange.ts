import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Caller, Permission } from './caller.js';
import type { Operation } from './operation.js';
import type { RouteDescription } from './route-description.js';

/** Who sent a request. */
export interface Identified {
  readonly caller: Caller;
  /** Hex digits, of the certificate that he showed, if it was one. */
  readonly serial?: string;
}

/** A request with everything that answering it needs. */
export interface Exchange {
  readonly url: URL;
  /** The last part of the path where the route ends in a parameter. */
  readonly tail: string | undefined;
  /** Undefined for a stranger, whom few routes answer. */
  readonly caller: Caller | undefined;
  readonly serial?: string;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Aborted when the client goes away before its answer is complete. */
  readonly gone: AbortSignal;
}

/** What answers a method on a path. */
export interface Route {
  readonly method: Operation['method'];
  readonly route: string;
  readonly permission: Permission;
  /** Also for clients of another protocol, so that they can find out and stop the server. */
  readonly anyProtocol: boolean;
  readonly description: RouteDescription;
  readonly answer: (exchange: Exchange) => Promise<void>;
}
