/** A request to a server, whichever way it goes. */
export interface Message {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** With its query. */
  readonly path: string;
  readonly body?: unknown;
}

/** A message to the server that is answered with a `Result`. */
export interface Request<Result> extends Message {
  /** Only for the compiler; never there. */
  readonly result?: Result;
}
