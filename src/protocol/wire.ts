import type { Progress, WireError } from './api.js';

/** The content type of an answer that is a stream of {@link StreamLine}. */
export const STREAM_TYPE = 'application/x-ndjson';

/** The content type of the bytes of a file. */
export const BYTES_TYPE = 'application/octet-stream';
/** Headers of such an answer: how many bytes it should have, and of which shadow copy they are. */
export const SIZE_HEADER = 'umbra-size';
export const SHADOW_COPY_HEADER = 'umbra-shadow-copy';
/** The trailer of such an answer that broke off: a {@link WireError}, as JSON, as encodeURIComponent writes it. */
export const ERROR_TRAILER = 'umbra-error';

/**
 * One line of the answer to a long operation: first `job`, then any number of `progress` and of `items` (parts of a
 * result that may be long), then one `result` or `error`. A leased mount stays open after its `result`, until `ended`. A stream
 * that ends without a `result` or `error`, or a leased one without `ended`, is a server that died.
 */
export type StreamLine =
  | { readonly job: number }
  | { readonly progress: Progress }
  | { readonly items: readonly unknown[] }
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
