import { parentPort, workerData } from 'node:worker_threads';

import { makeCompressor } from '../codec/compression.js';
import { FrameSeal } from '../codec/frame-seal.js';
import { messageOf, systemCode } from '../common/errors.js';
import type { WorkerFault, WorkerRequest, WorkerStart } from './messages.js';
import { perform } from './perform.js';
import { ShortReadError } from './regions.js';

/** The entry of a worker thread: one request at a time, in order. It keeps nothing between requests. */
function main({ settings, ending }: WorkerStart): void {
  const { compression, keys } = settings;
  const seal = keys === undefined ? undefined : new FrameSeal(keys);
  const compressor = compression === undefined ? undefined : makeCompressor(compression);
  parentPort?.on('message', (message: { id: number; request: WorkerRequest } | null) => {
    if (message === null || Atomics.load(ending, 0) !== 0) {
      parentPort?.close();
      return;
    }
    const { id, request } = message;
    try {
      parentPort?.postMessage({ id, reply: perform(request, settings, compressor, seal) });
    } catch (error) {
      parentPort?.postMessage({ id, fault: describe(error) });
    }
  });
}

function describe(error: unknown): WorkerFault {
  const code = systemCode(error);
  const kind = error instanceof ShortReadError ? 'short-read' : code === undefined ? 'defect' : 'system';
  return { kind, message: messageOf(error), ...(code === undefined ? {} : { systemCode: code }) };
}

main(workerData as WorkerStart);
