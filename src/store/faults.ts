import { UmbraError } from '../common/errors.js';
import type { KvOperation, KvRange } from './kv.js';

/** The methods of a key-value store and what each is called with; null for nothing. */
export interface KvCalls {
  readonly get: { readonly key: Uint8Array };
  readonly getMany: { readonly keys: readonly Uint8Array[] };
  readonly entries: { readonly range: KvRange };
  readonly keys: { readonly range: KvRange };
  readonly write: { readonly operations: readonly KvOperation[]; readonly sync: boolean };
  readonly flush: null;
  readonly compact: { readonly start: Uint8Array; readonly end: Uint8Array };
  readonly diskBytes: null;
  readonly close: null;
}

export type KvMethod = keyof KvCalls;

/** What goes wrong in calls of one method, and in which. */
export interface FaultOn<M extends KvMethod> {
  readonly on: M;
  /** Which calls; all of them without it. */
  readonly match?: (call: KvCalls[M]) => boolean;
  /** Let so many matching calls pass first; 0 without it. */
  readonly after?: number;
  /** Strike so many times; 1 without it. */
  readonly times?: number;
  /** Throw this. */
  readonly error?: Error;
  /** `entries`, `keys`: throw only after so many entries; `write`: apply so many operations before throwing. */
  readonly partial?: number;
  /** Wait for this before the call goes on. */
  readonly until?: Promise<unknown>;
  /** `get`, `getMany`, `entries`: what is returned in place of a value that is there. */
  readonly corrupt?: (value: Uint8Array, key: Uint8Array) => Uint8Array | undefined;
}

/** A fault of any method. */
export type Fault = { [M in KvMethod]: FaultOn<M> }[KvMethod];

interface Queued {
  readonly fault: Fault;
  skip: number;
  left: number;
}

/** Faults that wait for their calls, oldest first; each call meets at most one. */
export class FaultQueue {
  readonly #queue: Queued[] = [];

  /** @param faults in the order in which they strike when several match the same call */
  push(...faults: readonly Fault[]): void {
    for (const fault of faults) {
      this.#queue.push({ fault, skip: fault.after ?? 0, left: fault.times ?? 1 });
    }
  }

  /** The fault that strikes this call, or undefined; the fault is used up. */
  take<M extends KvMethod>(on: M, call: KvCalls[M]): FaultOn<M> | undefined {
    for (const queued of this.#queue) {
      if (queued.left === 0 || !isOn(queued.fault, on) || queued.fault.match?.(call) === false) continue;
      if (queued.skip > 0) {
        queued.skip--;
        continue;
      }
      queued.left--;
      return queued.fault;
    }
    return undefined;
  }

  /** The faults that have not struck as often as they should. */
  pending(): Fault[] {
    return this.#queue.filter(({ left }) => left > 0).map(({ fault }) => fault);
  }

  /**
   * A test whose fault never struck has shown nothing.
   * @throws {UmbraError} INTERNAL
   */
  assertAllFired(): void {
    const pending = this.pending();
    if (pending.length === 0) return;
    const names = pending.map((fault) => fault.on).join(', ');
    throw new UmbraError('INTERNAL', `faults that never struck: ${names}`);
  }
}

function isOn<M extends KvMethod>(fault: Fault | FaultOn<M>, on: M): fault is FaultOn<M> {
  return fault.on === on;
}
