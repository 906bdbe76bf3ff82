import type { ServerResponse } from 'node:http';
import { decodeFrame, FrameError } from '../codec/frame.js';
import { BLOCK_BYTES, FRAME, type ObjectType } from '../codec/formats.js';
import { FrameSeal, openStored } from '../codec/frame-seal.js';
import type { Clock } from '../common/clock.js';
import { ByteBudget } from '../ingest/byte-budget.js';
import { encodeFrame } from '../protocol/frames.js';
import type { ObjectFrame } from '../protocol/objects-api.js';
import { toWireError } from '../protocol/wire-error.js';
import type { FrameResult, ObjectReader } from '../store/object-reader.js';
import { roomIn } from './byte-answer.js';
import { describeCaller, type Caller } from './caller.js';

/** Objects that are in memory at a time for one request; chunks have 64 blocks at most. */
const BATCH = 8;
const BATCH_BYTES = BATCH * FrameSeal.bound(64 * BLOCK_BYTES + FRAME.headerBytes);
/** What all requests together, and those of one caller, may have in memory. */
const BUDGET_BYTES = 64 * 1024 * 1024;
const CALLER_BYTES = 16 * 1024 * 1024;
/** A client that takes nothing for so long is cut off: others want the memory. */
const STALL_MS = 60_000;

/** The memory of objects on their way to clients. */
export class ObjectBudget {
  readonly #all = new ByteBudget(BUDGET_BYTES);
  /** As many as there are administrators and agents. */
  readonly #callers = new Map<string, ByteBudget>();

  /** Resolves when there is room for a batch; its result gives it back. */
  async take(caller: Caller): Promise<() => void> {
    const name = describeCaller(caller);
    const own = this.#callers.get(name) ?? new ByteBudget(CALLER_BYTES);
    this.#callers.set(name, own);
    await own.take(BATCH_BYTES);
    await this.#all.take(BATCH_BYTES);
    return () => {
      this.#all.giveBack(BATCH_BYTES);
      own.giveBack(BATCH_BYTES);
    };
  }
}

/** A frame, or why there is none; `isBroken` if there is one that can't be opened. */
type SentResult = { readonly frame: Uint8Array } | { readonly fault: string; readonly isBroken?: boolean };

export interface SendObjectsOptions {
  readonly response: ServerResponse;
  readonly reader: ObjectReader;
  /** Of an encrypted store: clients elsewhere get frames that are open. */
  readonly seal: FrameSeal | undefined;
  readonly type: ObjectType;
  readonly digests: readonly Uint8Array[];
  /** Look whether each is right; what is damaged is noted in the store. */
  readonly checked: boolean;
  readonly caller: Caller;
  readonly budget: ObjectBudget;
  readonly clock: Clock;
  readonly gone: AbortSignal;
}

/** Send objects as they are stored, a batch at a time, as fast as the client takes them. What goes wrong is the last frame. */
export async function sendObjects(options: SendObjectsOptions): Promise<void> {
  const { response, digests, budget, caller, gone } = options;
  try {
    for (let first = 0; first < digests.length; first += BATCH) {
      const giveBack = await budget.take(caller);
      try {
        if (gone.aborted) return;
        await sendBatch(options, first, digests.slice(first, first + BATCH));
      } finally {
        giveBack();
      }
    }
    write(response, { end: true });
  } catch (error) {
    write(response, { error: toWireError(error) });
  } finally {
    response.end();
  }
}

async function sendBatch(options: SendObjectsOptions, first: number, digests: readonly Uint8Array[]): Promise<void> {
  const { response, reader, type, checked, clock, seal } = options;
  const read = (await reader.readFrames(type, digests)).map((result) => opened(result, seal));
  const results = checked ? await Promise.all(read.map((result, at) => check(options, digests[at], result))) : read;
  response.cork();
  for (const [index, result] of results.entries()) {
    const object = first + index;
    if ('frame' in result) write(response, { object }, result.frame);
    else write(response, { object, fault: result.fault });
  }
  response.uncork();
  const cancel = clock.after(STALL_MS, () => response.destroy());
  await roomIn(response);
  cancel();
}

/** What is not in the index is only said: the digest may be of nothing that there ever was. */
async function check(
  { reader, type }: SendObjectsOptions,
  digest: Uint8Array | undefined,
  result: SentResult,
): Promise<SentResult> {
  const report = async (reason: string): Promise<SentResult> =>
    digest === undefined ? result : { fault: (await reader.reportDamage(type, digest, reason)).message };
  if (digest === undefined) return result;
  if ('fault' in result) return result.isBroken === true ? report(result.fault) : result;
  try {
    decodeFrame(result.frame, { type, digest });
    return result;
  } catch (error) {
    if (!(error instanceof FrameError)) throw error;
    return report(error.message);
  }
}

/** What a client elsewhere can read. */
function opened(result: FrameResult, seal: FrameSeal | undefined): SentResult {
  if ('fault' in result) return result;
  try {
    return { frame: openStored(result.frame, seal) };
  } catch (error) {
    if (!(error instanceof FrameError)) throw error;
    return { fault: error.message, isBroken: true };
  }
}

function write(response: ServerResponse, frame: ObjectFrame, body?: Uint8Array): void {
  if (response.destroyed) return;
  const [head, bytes] = encodeFrame(frame, body);
  response.write(head);
  if (bytes.length > 0) response.write(bytes);
}
