import { list, object, string, whole } from '../common/params.js';

const MOST_LEFT = 100;
const time = whole(0, Number.MAX_SAFE_INTEGER);
const count = whole(0, Number.MAX_SAFE_INTEGER);

/** What is known of a message that a channel is told. */
export interface Telling {
  /** The message's: it is the same each time it is tried. */
  readonly id: string;
  /** How often that was tried and failed. */
  readonly attempts: number;
  readonly beganMs: number;
  /** When it is tried again. */
  readonly nextMs: number;
  /** Why it failed. */
  readonly error?: string;
  /** Who has not got it yet, of several recipients. */
  readonly left?: readonly string[];
}

/** What a channel was told. It is never changed, but replaced. */
export interface ChannelState {
  /** Everything up to this number of what happened to alerts is in a message, or was not for this channel. */
  readonly told: number;
  /** So many alerts that it was to be told are not kept any more. */
  readonly missed: number;
  readonly telling?: Telling;
  /** When a message was delivered last. */
  readonly deliveredMs?: number;
  /** The last message that was given up. */
  readonly givenUp?: { readonly atMs: number; readonly error: string };
}

const stored = object(
  { told: count, missed: count },
  {
    telling: object(
      { id: string, attempts: count, beganMs: time, nextMs: time },
      { error: string, left: list(string, 0, MOST_LEFT) },
    ),
    deliveredMs: time,
    givenUp: object({ atMs: time, error: string }),
  },
);

/** Out of a record; undefined if it is not right, which a newer version may have written. */
export function parseChannelState(fields: Record<string, unknown>): ChannelState | undefined {
  try {
    return stored(fields, 'channel');
  } catch {
    return undefined;
  }
}
