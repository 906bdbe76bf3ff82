import t from 'tap';

import { diffShadowCopies } from '../../../src/diff/diff-shadow-copies.js';
import type { DiffRequest, DiffResult } from '../../../src/protocol/api.js';
import { openMemoryStore, type MemoryStore } from '../../kit/memory-store.js';

const BLOCK_BYTES = 4096;

function diff(
  { store, pool }: MemoryStore,
  from: string,
  to: string,
  options: Partial<DiffRequest> = {},
): Promise<DiffResult> {
  const request = { machine: 'm1', from, toMachine: 'm1', to, exact: false, ...options };
  return diffShadowCopies({ store, pool, request, signal: new AbortController().signal, progress: () => undefined });
}

t.test('volumes that come, go and stay; other machines', async (t) => {
  const memory = await openMemoryStore(t);
  const data = Buffer.alloc(3 * BLOCK_BYTES);
  data.fill(1, BLOCK_BYTES, BLOCK_BYTES + 1);
  const a = await memory.backUp({ vda: data, vdb: data, vdd: data });
  const b = await memory.backUp(
    { vda: data, vdc: data, vdd: Buffer.concat([data, Buffer.alloc(9)]) },
    { machine: 'm2' },
  );
  const { from, to, volumes } = await diff(memory, 'latest', 'latest', { toMachine: 'm2' });
  const ranges = [{ offset: BLOCK_BYTES, length: BLOCK_BYTES }];
  const size = data.length;
  t.same([from, to], [`m1@${a.name}`, `m2@${b.name}`]);
  t.same(volumes, [
    { name: 'vda', change: 'same', fromBytes: size, toBytes: size, changedBytes: 0, ranges: [] },
    { name: 'vdb', change: 'removed', fromBytes: size, changedBytes: BLOCK_BYTES, ranges },
    { name: 'vdd', change: 'changed', fromBytes: size, toBytes: size + 9, changedBytes: 0, ranges: [] },
    { name: 'vdc', change: 'added', toBytes: size, changedBytes: BLOCK_BYTES, ranges },
  ]);
  await t.rejects(diff(memory, 'latest', 'latest', { toMachine: 'm3' }), { code: 'NOT_FOUND' });
});

t.test('it can be cancelled', async (t) => {
  const { store, pool, backUp } = await openMemoryStore(t);
  await backUp({ vda: Buffer.from('a') });
  await backUp({ vda: Buffer.from('b') }, { machine: 'm2' });
  const request = { machine: 'm1', from: 'latest', toMachine: 'm2', to: 'latest', exact: true };
  const signal = AbortSignal.abort(new DOMException('enough', 'AbortError'));
  await t.rejects(diffShadowCopies({ store, pool, request, signal, progress: () => undefined }), { message: 'enough' });
});
