import type { Progress, WireError } from './api.js';

/** The content type of an answer that is a stream of {@link StreamLine}. */
export const STREAM_TYPE = 'application/x-ndjson';

/**
 * One line of the answer to a long operation: first `job`, then any number of `progress`, then one
 * `result` or `error`. A leased mount stays open after its `result`, until `ended`. A stream
 * that ends without a `result` or `error`, or a leased one without `ended`, is a server that died.
 */
export type StreamLine =
  | { readonly job: number }
  | { readonly progress: Progress }
  | { readonly result: unknown }
  | { readonly error: WireError }
  | { readonly ended: MountEnd };

/** Why a leased mount is gone: someone unmounted it, or the server shut down. */
export type MountEnd = 'unmounted' | 'stopping';

/** The answer to a short operation that failed. */
export interface ErrorAnswer {
  readonly error: WireError;
}

/** What a server that was started in the background writes to its parent, once, as a line of JSON. */
export type StartLine = { readonly ready: true } | { readonly error: WireError };
