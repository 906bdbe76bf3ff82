import { mkdirSync, readFileSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

import type { Progress } from '../../../src/protocol/api.js';
import { openMemoryStore } from '../../kit/memory-store.js';
import { Random, testSeed } from '../../kit/random.js';
import { runRestore } from '../../kit/run-restore.js';
import { temporaryDirectory } from '../../kit/temporary.js';
import { randomVolume } from '../../kit/volumes.js';

const MIB = 1024 * 1024;

t.test('all volumes and the configuration into a directory', async (t) => {
  const random = new Random(testSeed(t));
  const memory = await openMemoryStore(t);
  const vda = randomVolume(random, 5 * MIB);
  const vdb = random.bytes(123);
  const data = Buffer.from('<domain/>');
  await memory.backUp({ vda, vdb }, { config: [{ name: 'm1.xml', data }] });
  const to = join(temporaryDirectory(t), 'a', 'b');
  const seen: Progress[] = [];
  const result = await runRestore(memory, { to }, { progress: (progress) => seen.push(progress) });
  t.ok(readFileSync(join(to, 'vda.raw')).equals(vda));
  t.ok(readFileSync(join(to, 'vdb.raw')).equals(vdb));
  t.same(result.config, [join(to, 'config', 'm1.xml')]);
  t.same(readFileSync(join(to, 'config', 'm1.xml')), data);
  const totalBytes = vda.length + vdb.length;
  t.same(seen.at(-1), { what: 'restoring vdb', doneBytes: totalBytes, totalBytes });

  truncateSync(join(to, 'vdb.raw'), 0);
  const again = await runRestore(memory, { to });
  t.match(again, { volumes: [{ writtenBytes: 0 }, { writtenBytes: 123 }], config: [] });
  t.ok(readFileSync(join(to, 'vdb.raw')).equals(vdb));
});

t.test('one bad target keeps all others as they were', async (t) => {
  const memory = await openMemoryStore(t);
  await memory.backUp({ vda: Buffer.alloc(5), vdb: Buffer.alloc(5), vdc: Buffer.alloc(5, 1) });
  const to = temporaryDirectory(t);
  writeFileSync(join(to, 'vdb.raw'), 'as it was');
  mkdirSync(join(to, 'vdc.raw'));
  await t.rejects(runRestore(memory, { to }), { code: 'TARGET_REFUSED' });
  t.throws(() => statSync(join(to, 'vda.raw')), { code: 'ENOENT' });
  t.equal(readFileSync(join(to, 'vdb.raw'), 'utf8'), 'as it was');
});

t.test('what is not there', async (t) => {
  const memory = await openMemoryStore(t);
  await memory.backUp({ vda: Buffer.from('a') });
  const to = join(temporaryDirectory(t), 'x');
  await t.rejects(runRestore(memory, { to, machine: 'other' }), { code: 'NOT_FOUND' });
  await t.rejects(runRestore(memory, { to, version: '2020-01-01T00-00-00Z' }), { code: 'NOT_FOUND' });
  await t.rejects(runRestore(memory, { to, volume: 'vdz' }), { code: 'NOT_FOUND', hint: 'It has vda.' });
  await t.rejects(runRestore(memory, { to: `${to}/y`, volume: 'vda' }), { code: 'TARGET_FAILED' });
  writeFileSync(to, '');
  await t.rejects(runRestore(memory, { to }), { code: 'TARGET_REFUSED', message: /not a directory/ });
});

t.test('a symbolic link is followed', async (t) => {
  const memory = await openMemoryStore(t);
  await memory.backUp({ vda: Buffer.from('content') });
  const directory = temporaryDirectory(t);
  symlinkSync('real', join(directory, 'link'));
  const { volumes } = await runRestore(memory, { volume: 'vda', to: join(directory, 'link') });
  t.equal(volumes[0]?.to, join(directory, 'real'));
  t.equal(readFileSync(join(directory, 'real'), 'utf8'), 'content');
});

t.test('nothing is restored into the store', async (t) => {
  const memory = await openMemoryStore(t);
  await memory.backUp({ vda: Buffer.from('a') });
  const storeDirectory = temporaryDirectory(t);
  const refused = { code: 'TARGET_REFUSED', message: /lies in the store/ };
  await t.rejects(runRestore(memory, { to: join(storeDirectory, 'new') }, { storeDirectory }), refused);
  await t.rejects(runRestore(memory, { to: join(storeDirectory, 'lock'), volume: 'vda' }, { storeDirectory }), refused);
});

t.test('the shadow copy cannot be forgotten meanwhile', async (t) => {
  const memory = await openMemoryStore(t);
  await memory.backUp({ vda: Buffer.from('a') });
  const listing = memory.store.catalog.find('m1', 'latest');
  const to = join(temporaryDirectory(t), 'x');
  const holders = new Set<string | undefined>();
  const progress = (): void => void holders.add(memory.store.leases.holder(listing));
  await runRestore(memory, { to, volume: 'vda' }, { progress });
  t.same([...holders], [`a restore to ${to}`]);
  t.equal(memory.store.leases.holder(listing), undefined);
});
