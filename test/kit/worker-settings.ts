import type { WorkerSettings } from '../../src/workers/messages.js';

/** What test workers are started with. */
export const WORKER_SETTINGS: Required<WorkerSettings> = {
  cutting: { seed: 0x0123456789abcdefn, zeroBits: 0, window: 7, maxBlocks: 64 },
  compression: { codec: 'zstd', level: 1 },
  keys: undefined,
};
