import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

import { systemClock } from '../../../src/common/clock.js';
import type { ExportRequest, ExportResult, Progress } from '../../../src/protocol/api.js';
import { exportQcow2, type ExportOptions } from '../../../src/restore/export-qcow2.js';
import { openMemoryStore, type MemoryStore } from '../../kit/memory-store.js';
import { Random, testSeed } from '../../kit/random.js';
import { smallDisk } from '../../kit/small-disk.js';
import { temporaryDirectory } from '../../kit/temporary.js';
import { randomVolume } from '../../kit/volumes.js';

const MIB = 1024 * 1024;

function run(
  { store, pool }: MemoryStore,
  request: Partial<ExportRequest> & { to: string },
  options: Partial<ExportOptions> = {},
): Promise<ExportResult> {
  const complete = { machine: 'm1', version: 'latest', volume: 'vda', ...request };
  const signal = new AbortController().signal;
  const others = { clock: systemClock, storeDirectory: '/nonexistent/store', progress: () => undefined };
  return exportQcow2({ store, pool, ...others, request: complete, signal, ...options });
}

t.test('random volumes', async (t) => {
  const random = new Random(testSeed(t));
  const memory = await openMemoryStore(t);
  const directory = temporaryDirectory(t);
  for (const sizeBytes of [0, 512, 1000, 4 * MIB, 11 * MIB + 4096 + 700]) {
    const volume = randomVolume(random, sizeBytes);
    await memory.backUp({ vda: volume });
    const to = join(directory, `${sizeBytes}.qcow2`);
    const seen: Progress[] = [];
    const result = await run(memory, { to }, { progress: (progress) => seen.push(progress) });
    t.match(result, { machine: 'm1', volume: 'vda', to, sizeBytes, fileBytes: statSync(to).size });
    t.equal(statSync(to).mode & 0o777, 0o600);
    t.same(seen.at(-1), { what: 'exporting vda', doneBytes: sizeBytes, totalBytes: sizeBytes });

    const padded = Buffer.alloc(Math.ceil(sizeBytes / 512) * 512);
    volume.copy(padded);
    const raw = join(directory, 'raw');
    writeFileSync(raw, padded);
    execFileSync('qemu-img', ['check', '-q', '-f', 'qcow2', to]);
    execFileSync('qemu-img', ['compare', '-q', '-f', 'qcow2', '-F', 'raw', to, raw]);
    const info: unknown = JSON.parse(execFileSync('qemu-img', ['info', '--output', 'json', to], { encoding: 'utf8' }));
    t.match(info, { format: 'qcow2', 'virtual-size': padded.length });
    t.pass(`${sizeBytes} bytes are the same for qemu-img`);
  }
});

t.test('holes take no space', async (t) => {
  const memory = await openMemoryStore(t);
  const volume = Buffer.alloc(30 * MIB);
  volume.fill(1, 20 * MIB, 21 * MIB);
  await memory.backUp({ vda: volume });
  const { fileBytes } = await run(memory, { to: join(temporaryDirectory(t), 'x.qcow2') });
  t.ok(fileBytes < 2 * MIB, `${fileBytes} bytes`);
});

t.test('what is refused', async (t) => {
  const memory = await openMemoryStore(t);
  await memory.backUp({ vda: Buffer.from('a') });
  const directory = temporaryDirectory(t);
  const to = join(directory, 'x.qcow2');
  await t.rejects(run(memory, { to, volume: 'vdb' }), { code: 'NOT_FOUND' });
  await t.rejects(run(memory, { to: join(directory, 'no', 'x') }), { code: 'TARGET_FAILED' });
  mkdirSync(join(directory, 'store'));
  const storeDirectory = join(directory, 'store');
  await t.rejects(run(memory, { to: join(storeDirectory, 'x') }, { storeDirectory }), { code: 'TARGET_REFUSED' });
  writeFileSync(to, 'as it was');
  await t.rejects(run(memory, { to }), { code: 'TARGET_EXISTS' });
  t.equal(statSync(to).size, 9);
  t.equal(memory.store.leases.listings().length, 0);
});

t.test('nothing is left when it fails', async (t) => {
  const random = new Random(testSeed(t));
  const memory = await openMemoryStore(t);
  await memory.backUp({ vda: random.bytes(12 * MIB) });
  const { directory } = smallDisk(t, 5 * MIB);
  const to = join(directory, 'x.qcow2');
  await t.rejects(run(memory, { to }), { code: 'TARGET_FULL', message: /the disk of .*x\.qcow2 is full/ });
  t.same(readdirSync(directory), []);

  const here = temporaryDirectory(t);
  const controller = new AbortController();
  const progress = ({ doneBytes }: Progress): void => {
    t.match(readdirSync(here), [/^x\.[0-9a-f]{8}\.partial$/], 'half a file does not have the name');
    if (doneBytes > 0) controller.abort(new DOMException('enough', 'AbortError'));
  };
  const { signal } = controller;
  await t.rejects(run(memory, { to: join(here, 'x') }, { signal, progress }), { message: 'enough' });
  t.same(readdirSync(here), [], 'cancelled');

  for await (const [key, value] of memory.objects.entries()) {
    if (value.length > 40_000) await memory.objects.write([{ type: 'del', key }], { sync: false });
  }
  await t.rejects(run(memory, { to: join(here, 'x') }), { code: 'STORE_DAMAGED' });
  t.same(readdirSync(here), [], 'damage');
});
