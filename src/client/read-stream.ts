import type { IncomingMessage } from 'node:http';
import { isUmbraError, UmbraError } from '../common/errors.js';
import type { Progress } from '../protocol/api.js';
import type { MountEnd, StreamLine } from '../protocol/wire.js';
import { fromWireError } from '../protocol/wire-error.js';
import { lines } from '../transport/lines.js';

export interface StreamOptions {
  readonly signal?: AbortSignal;
  readonly progress?: (progress: Progress) => void;
  /** Takes parts of a long result; the next line is read when it resolves. */
  readonly items?: (items: readonly unknown[]) => Promise<void>;
}

export interface StreamResult<T> {
  readonly result: T;
  /**
   * For a leased mount: why it ended.
   * @throws {UmbraError} SERVER_UNREACHABLE when the server dies
   */
  readonly ended: () => Promise<MountEnd>;
  /** Let go of the connection. */
  readonly close: () => Promise<void>;
}

/**
 * Read the lines of a long operation up to its result.
 * @param cancel asks the server to end a job
 * @throws {UmbraError} the error the operation ended with; SERVER_UNREACHABLE when the stream breaks off
 */
export async function readStream<T>(
  response: IncomingMessage,
  { signal, progress, items }: StreamOptions,
  cancel: (job: number) => Promise<void>,
): Promise<StreamResult<T>> {
  const stream = streamLines(response);
  let job: number | undefined;
  const onAbort = (): void => {
    if (job !== undefined) void cancel(job);
  };
  signal?.addEventListener('abort', onAbort);
  try {
    for (let next = await stream.next(); next.done !== true; next = await stream.next()) {
      const line = next.value;
      if ('job' in line) {
        job = line.job;
        if (signal?.aborted === true) onAbort();
      } else if ('progress' in line) {
        progress?.(line.progress);
      } else if ('items' in line) {
        await items?.(line.items);
      } else if ('result' in line) {
        return {
          result: line.result as T,
          ended: () => readEnd(stream),
          close: async () => {
            await stream.return(undefined);
          },
        };
      } else if ('error' in line) {
        throw fromWireError(line.error);
      }
    }
    throw serverDied();
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

async function readEnd(stream: AsyncGenerator<StreamLine>): Promise<MountEnd> {
  for (let next = await stream.next(); next.done !== true; next = await stream.next()) {
    if ('ended' in next.value) return next.value.ended;
    if ('error' in next.value) throw fromWireError(next.value.error);
  }
  throw serverDied();
}

async function* streamLines(response: IncomingMessage): AsyncGenerator<StreamLine> {
  try {
    // The server is of the same protocol: that was checked with the request.
    for await (const line of lines(response)) yield JSON.parse(line) as StreamLine;
  } catch (cause) {
    throw isUmbraError(cause) ? cause : serverDied(cause);
  }
}

function serverDied(cause?: unknown): UmbraError {
  return new UmbraError('SERVER_UNREACHABLE', 'the server ended before the operation did', {
    hint: 'Its log, server.log in the directory of the store, may say why.',
    ...(cause === undefined ? {} : { cause }),
  });
}
