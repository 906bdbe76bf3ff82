import { parentPort, workerData } from 'node:worker_threads';

import { makeCompressor, type Compressor } from '../codec/compression.js';
import { FrameSeal } from '../codec/frame-seal.js';
import { messageOf, systemCode, UmbraError } from '../common/errors.js';
import { check, unpack, write } from './frames.js';
import type { WorkerFault, WorkerReplies, WorkerRequest, WorkerSettings } from './messages.js';
import { cut, name, pack, ShortReadError } from './regions.js';

/** The entry of a worker thread: one request at a time, in order. It keeps nothing between requests. */
function main(settings: WorkerSettings): void {
  const { compression, keys } = settings;
  const seal = keys === undefined ? undefined : new FrameSeal(keys);
  const compressor = compression === undefined ? undefined : makeCompressor(compression);
  parentPort?.on('message', ({ id, request }: { id: number; request: WorkerRequest }) => {
    try {
      parentPort?.postMessage({ id, reply: perform(request, settings, compressor, seal) });
    } catch (error) {
      parentPort?.postMessage({ id, fault: describe(error) });
    }
  });
}

function perform(
  request: WorkerRequest,
  settings: WorkerSettings,
  compressor: Compressor | undefined,
  seal: FrameSeal | undefined,
): WorkerReplies[keyof WorkerReplies] {
  switch (request.op) {
    case 'cut':
      return cut(request, settings.cutting);
    case 'name':
      return name(request);
    case 'pack':
      if (compressor === undefined) throw new UmbraError('INTERNAL', 'these threads do not compress');
      return pack(request, compressor, seal);
    case 'unpack':
      return unpack(request, seal);
    case 'check':
      return check(request, seal);
    case 'write':
      return write(request, seal);
  }
}

function describe(error: unknown): WorkerFault {
  const code = systemCode(error);
  const kind = error instanceof ShortReadError ? 'short-read' : code === undefined ? 'defect' : 'system';
  return { kind, message: messageOf(error), ...(code === undefined ? {} : { systemCode: code }) };
}

main(workerData as WorkerSettings);
