import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import t, { type Test } from 'tap';
import { REGION_BYTES } from '../../../src/codec/formats.js';
import type { WorkerAnswer, WorkerRequest, WorkerStart } from '../../../src/workers/messages.js';
import { WORKER_SETTINGS } from '../../kit/worker-settings.js';

const SCRIPT = new URL('../../../src/workers/worker.js', import.meta.url);

function startWorker(t: Test, ending = new Int32Array(new SharedArrayBuffer(4))): Worker {
  const workerData: WorkerStart = { settings: WORKER_SETTINGS, ending };
  const worker = new Worker(SCRIPT, { workerData, execArgv: [] });
  t.teardown(() => {
    worker.postMessage(null);
  });
  return worker;
}

async function answers(worker: Worker, requests: readonly WorkerRequest[]): Promise<WorkerAnswer[]> {
  const received: WorkerAnswer[] = [];
  for (const [id, request] of requests.entries()) worker.postMessage({ id, request });
  while (received.length < requests.length) received.push(...((await once(worker, 'message')) as [WorkerAnswer]));
  return received;
}

t.test('requests are answered in order, also after one that fails', async (t) => {
  const region = new SharedArrayBuffer(REGION_BYTES);
  const frames = new SharedArrayBuffer(REGION_BYTES);
  const none = { frames: [], digests: new Uint8Array() };
  const received = await answers(startWorker(t), [
    { op: 'cut', region, length: 4096, from: undefined },
    { op: 'cut', region, length: 4096, from: { fd: 9999, offset: 0, extents: [0, 10] } },
    { op: 'pack', region, frames, chunks: [], digests: new Uint8Array() },
    { op: 'unpack', region, blocks: [], ...none },
    { op: 'check', ...none },
    { op: 'write', fd: 9999, offset: 0, length: 0, blocks: [], compare: false, punch: false, ...none },
  ]);
  t.match(received, [
    { id: 0, reply: { dataBlocks: 0 } },
    { id: 1, fault: { kind: 'system', systemCode: 'EBADF' } },
    { id: 2, reply: { lengths: [] } },
    { id: 3, reply: { faults: [] } },
    { id: 4, reply: { faults: [] } },
    { id: 5, reply: { faults: [], writtenBytes: 0 } },
  ]);
});

t.test('a defect is named as one', async (t) => {
  const request = { op: 'check', frames: [], digests: JSON.parse('null') as Uint8Array } as const;
  const [first] = await answers(startWorker(t), [{ ...request, frames: [new Uint8Array(60)] }]);
  t.match(first, { id: 0, fault: { kind: 'defect' } });
});

t.test('a thread that is to end performs no request that waits', async (t) => {
  const ending = new Int32Array(new SharedArrayBuffer(4));
  const worker = startWorker(t, ending);
  const check = { op: 'check', frames: [], digests: new Uint8Array() } as const;
  t.match(await answers(worker, [check]), [{ id: 0, reply: { faults: [] } }]);
  Atomics.store(ending, 0, 1);
  worker.on('message', () => t.fail('it answered'));
  worker.postMessage({ id: 1, request: check });
  t.same(await once(worker, 'exit'), [0]);
});
