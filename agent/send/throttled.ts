import type { TakeBytes } from './bandwidth.js';
import type { Connect } from './connection.js';

/**
 * Streams whose bodies take their bytes before they are written, whole: a frame that was begun is not held up, and those without a body,
 * by which the server knows that the agent is alive, go past the ones that wait. Whoever waits when the stream is closed
 * is told so at once, with CANCELLED.
 */
export function throttled(connect: Connect, take: TakeBytes): Connect {
  return async (signal) => {
    const connection = await connect(signal);
    const closed = new AbortController();
    const either = AbortSignal.any([signal, closed.signal]);
    return {
      send: async (frame, body) => {
        if (body !== undefined && body.length > 0) await take(body.length, either);
        await connection.send(frame, body);
      },
      frames: connection.frames,
      close: () => {
        closed.abort();
        connection.close();
      },
    };
  };
}
