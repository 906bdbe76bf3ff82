import { isUmbraError, UmbraError } from '../common/errors.js';
import type { WireFrame } from '../protocol/frames.js';

export type NextFrame = () => Promise<WireFrame | undefined>;

/** The connection is gone, not the upload. */
export class ConnectionLost extends UmbraError {
  constructor(message: string, cause?: unknown) {
    super('CANCELLED', message, { cause });
  }
}

/** Frames that end with an error when someone says so. */
export function failable(frames: AsyncIterator<WireFrame, void>): {
  readonly next: NextFrame;
  readonly fail: (error: unknown) => void;
} {
  let fail: (error: unknown) => void = nothing;
  const failure = new Promise<never>((_, reject) => (fail = reject));
  failure.catch(nothing);
  const next: NextFrame = async () => {
    const result = await Promise.race([failure, frames.next().catch(lost)]);
    return result.done === true ? undefined : result.value;
  };
  return { next, fail };
}

function lost(cause: unknown): never {
  // What is no frame is a fault of the agent; all else is the network's.
  if (isUmbraError(cause, 'BAD_ARGUMENT')) throw cause;
  throw new ConnectionLost('the connection to the agent was lost', cause);
}

function nothing(): void {
  // Replaced at once, or a failure that whoever reads gets.
}
