import type { Compressor } from '../codec/compression.js';
import type { FrameSeal } from '../codec/frame-seal.js';
import { UmbraError } from '../common/errors.js';
import { check, unpack, write } from './frames.js';
import type { WorkerReplies, WorkerRequest, WorkerSettings } from './messages.js';
import { cut, name, pack } from './regions.js';

/** Do what a worker thread is asked for; `seal` is that of an encrypted store. @throws {UmbraError} INTERNAL for packing without a compressor; what the work fails with */
export function perform(
  request: WorkerRequest,
  settings: WorkerSettings,
  compressor: Compressor | undefined,
  seal?: FrameSeal,
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
