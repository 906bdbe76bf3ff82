import { isUmbraError, UmbraError } from '../common/errors.js';
import type { WireFrame } from '../protocol/frames.js';

export type NextFrame = () => Promise<WireFrame | undefined>;

/** The connection is gone, not the upload. */
export class ConnectionLost extends UmbraError {
  constructor(message: string, cause?: unknown) {
    super('CANCELLED', message, { cause });
  }
}

/**
 * Frames that end with an error when someone says so. One that comes after that is released: nobody takes it. There is no promise
 * here that lives as long as the connection, since whatever races with that stays in memory as long.
 */
export function failable(frames: AsyncIterator<WireFrame, void>): {
  readonly next: NextFrame;
  readonly fail: (error: unknown) => void;
} {
  let failure: { readonly error: unknown } | undefined;
  let refusePending: (error: unknown) => void = nothing;
  const fail = (error: unknown): void => {
    failure ??= { error };
    refusePending(failure.error);
  };
  const take = async (): Promise<WireFrame | undefined> => {
    const { done, value } = await frames.next().catch(lost);
    if (failure !== undefined) value?.release?.();
    return done === true ? undefined : value;
  };
  const next: NextFrame = async () => {
    if (failure !== undefined) throw failure.error;
    return await new Promise((resolve, reject) => {
      refusePending = reject;
      take().then(resolve, reject);
    });
  };
  return { next, fail };
}

function lost(cause: unknown): never {
  // What is no frame is a fault of the agent; all else is the network's.
  if (isUmbraError(cause, 'BAD_ARGUMENT')) throw cause;
  throw new ConnectionLost('the connection to the agent was lost', cause);
}

function nothing(): void {
  // Nobody waits for a frame.
}
