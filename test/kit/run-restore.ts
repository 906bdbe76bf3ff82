import { systemClock } from '../../src/common/clock.js';
import type { Progress, RestoreRequest, RestoreResult } from '../../src/protocol/api.js';
import { restore } from '../../src/restore/restore-machine.js';
import type { MemoryStore } from './memory-store.js';

interface RunOptions {
  readonly signal?: AbortSignal;
  readonly progress?: (progress: Progress) => void;
  readonly storeDirectory?: string;
}

/** Restore from a store in memory: the latest shadow copy of `m1`, where the request does not say otherwise. */
export function runRestore(
  { store, pool }: Pick<MemoryStore, 'store' | 'pool'>,
  request: Partial<RestoreRequest> & { readonly to: string },
  options: RunOptions = {},
): Promise<RestoreResult> {
  const { signal = new AbortController().signal, progress = () => undefined } = options;
  const { storeDirectory = '/nonexistent/store' } = options;
  const complete = { machine: 'm1', version: 'latest', ...request };
  return restore({ store, pool, clock: systemClock, request: complete, storeDirectory, signal, progress });
}
