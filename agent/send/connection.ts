import type { WireFrame } from '../../src/protocol/frames.js';
import type { AgentFrame } from '../../src/protocol/ingest.js';

/** A bulk stream to the server that is open. */
export interface Connection {
  /**
   * Resolves when there is room for the next frame, and the memory of this one's body is free.
   * @throws {UmbraError} SERVER_UNREACHABLE when the stream is broken
   */
  readonly send: (frame: AgentFrame, body?: Uint8Array) => Promise<void>;
  /** What the server says; throws when the stream breaks off. */
  readonly frames: AsyncIterable<WireFrame>;
  /** Idempotent. */
  readonly close: () => void;
}

/** Opens a stream. @throws {UmbraError} SERVER_UNREACHABLE, and what the server refuses it with */
export type Connect = (signal: AbortSignal) => Promise<Connection>;
